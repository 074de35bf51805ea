#!/usr/bin/env node
// npm run fuzz -- [--seconds N] [NAME...]: parsers against hostile input, each for so long: libFuzzer where C++ reads bytes,
// fast-check where TypeScript does (files *.fuzz.test.ts). Names choose tests whose title has one of them.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' } },
});
if (!(Number(values.seconds) > 0)) {
  process.stderr.write(`usage: npm run fuzz -- [--seconds N] [NAME...]; found: ${values.seconds} seconds\n`);
  process.exit(2);
}
const env = await setup({ forTests: true });
env.RETINA_FUZZ_SECONDS = values.seconds;
env.RETINA_FUZZ_OUT = join(ROOT, '.retina'); // input that made a target crash
const chosen = positionals.length ? ['-t', positionals.join('|')] : [];
const args = ['run', '.fuzz.test.ts', '--reporter=verbose', ...chosen];
process.exit(await run('vitest', args, { cwd: ROOT, env, show: true }));
