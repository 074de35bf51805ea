import { CommanderError } from 'commander';
import { RetinaError } from '@retina/sdk';
import { EXIT } from './exit.ts';
import { endOnBrokenPipe, paint } from './output.ts';
import { buildProgram } from './program.ts';

/** Runs one command line (without the program's own name) and returns the exit code; messages go to standard error. */
export async function runCli(args: readonly string[]): Promise<number> {
  endOnBrokenPipe();
  try {
    await buildProgram().parseAsync([...args], { from: 'user' });
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage; // it has said why
    return report(error);
  }
}

function report(error: unknown): number {
  const colour = paint(process.stderr);
  if (!(error instanceof RetinaError)) {
    process.stderr.write(
      `${colour('red', 'error')}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return EXIT.failed;
  }
  const lines = [`${colour('red', 'error')}: ${error.summary} (${error.code})`];
  if (error.found) lines.push(`  found:  ${error.found}`);
  if (error.needed) lines.push(`  needed: ${error.needed}`);
  if (error.next) lines.push(`  next:   ${error.next}`);
  process.stderr.write(lines.join('\n') + '\n');
  return error.code === 'RETINA_CONFIG_INVALID' || error.code === 'RETINA_REQUEST_INVALID' ? EXIT.usage : EXIT.failed;
}
