import { basename } from 'node:path';
import { COMPONENTS_FROM } from '@retina/agent';
import { AgentClient } from '@retina/agent/api';
import { EXIT } from '../exit.ts';
import type { AgentOptions } from '../options.ts';
import { paint, write, writeDocument, type Format } from '../output.ts';

/** `retina config check FILE`: 0 without mistakes (warnings do not count), 2 with. */
export async function configCheck(file: string, { output }: { readonly output?: Format }): Promise<number> {
  const { checkConfig, ConfigError, formatProblem } = await import('@retina/core');
  type Problems = InstanceType<typeof ConfigError>['problems'];
  let mistakes: Problems = [];
  let warnings: Problems = [];
  try {
    ({ warnings } = await checkConfig({ file }, { from: COMPONENTS_FROM }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    mistakes = error.problems;
  }
  const code = mistakes.length ? EXIT.usage : EXIT.ok;
  if (output === 'json' || output === 'yaml') {
    await writeDocument({ file, valid: mistakes.length === 0, mistakes, warnings }, output);
    return code;
  }
  const colour = paint();
  const line = (problem: Problems[number]) => formatProblem(problem, basename(file)).trim();
  for (const problem of mistakes) write(`${colour('red', 'mistake')}  ${line(problem)}`);
  for (const problem of warnings) write(`${colour('yellow', 'warning')}  ${line(problem)}`);
  const verdict = mistakes.length ? `${mistakes.length} ${mistakes.length === 1 ? 'mistake' : 'mistakes'}` : 'valid';
  write(colour(mistakes.length ? 'red' : 'green', `${file}: ${verdict}`));
  return code;
}

/** `retina config view`: YAML unless asked otherwise, for a configuration is written in it. */
export async function configView({ socket, output }: AgentOptions): Promise<void> {
  await writeDocument(await new AgentClient(socket).config(), output === 'json' ? 'json' : 'yaml');
}
