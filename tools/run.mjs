#!/usr/bin/env node
// npm run bench | check | images | retina | test:cluster | test:kernels: sets up, then runs one of the project's own commands.
import { join } from 'node:path';
import { NODE, ROOT } from './lib/paths.mjs';
import { become, run } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';
import { step } from './lib/say.mjs';

const [command, ...args] = process.argv.slice(2);

if (command === 'retina') {
  const env = await setup();
  become(NODE, [join(ROOT, 'packages', 'cli', 'dist', 'main.js'), ...args], env);
} else if (command === 'bench') {
  const env = await setup({ forTests: true });
  become(NODE, ['--conditions=@retina/source', join(ROOT, 'bench', 'src', 'main.ts'), ...args], env);
} else if (command === 'test:kernels') {
  const env = await setup({ forTests: true, kernels: true });
  become(NODE, ['--conditions=@retina/source', join(ROOT, 'kernels', 'src', 'main.ts'), ...args], env);
} else if (command === 'images') {
  const env = await setup();
  become(NODE, [join(ROOT, 'tools', 'images.mjs'), ...args], env);
} else if (command === 'test:cluster') {
  const env = await setup({ forTests: true });
  become(NODE, [join(ROOT, 'tools', 'cluster.mjs'), ...args], env);
} else if (command === 'check') {
  await check();
} else {
  process.stderr.write(
    `usage: node tools/run.mjs retina|bench|check|images|test:cluster|test:kernels [ARGS]; found: ${command ?? 'nothing'}\n`,
  );
  process.exit(2);
}

/** All checks, then one verdict: whoever mends one wants to see the others. */
async function check() {
  const env = await setup({ forTests: true });
  const checks = [
    ['types', 'turbo', ['run', 'typecheck', '--output-logs=errors-only', '--ui=stream', '--concurrency=2']],
    // Types of forty packages at once are more than Node takes by itself.
    ['lint', 'node', ['--max-old-space-size=8192', join('node_modules', 'eslint', 'bin', 'eslint.js'), '.', '--max-warnings=0']], // prettier-ignore
    ['format', 'prettier', ['--check', '--log-level=warn', '.']],
    [
      'format of C and C++',
      'sh',
      ['-c', "git ls-files '*.c' '*.h' '*.cpp' '*.hpp' | xargs clang-format --dry-run --Werror"],
    ],
    [
      'dependency rule',
      'depcruise',
      ['--config', '.dependency-cruiser.mjs', 'bpf', 'kernels', 'packages', 'plugins', 'exporters', 'examples'],
    ],
    ['unused code', 'knip', ['--no-progress']],
    ['file sizes', 'node', ['tools/check-sizes.mjs']],
    ['package exports', 'node', ['tools/check-packages.mjs']],
    ['generated reference', 'node', ['tools/reference.mjs', '--check']],
    ['generated parts of the chart', NODE, ['tools/chart.mjs', '--check']],
    ['code in documents', 'node', ['tools/snippets.mjs', '--check']],
    ['exports as reported and documented', 'node', ['tools/api.mjs', '--check']],
  ];
  const failed = [];
  for (const [name, program, list] of checks) {
    step(name);
    if ((await run(program, list, { cwd: ROOT, env })) !== 0) failed.push(name);
  }
  process.stdout.write(failed.length ? `failed: ${failed.join(', ')}\n` : `${checks.length} checks passed\n`);
  process.exit(failed.length ? 1 : 0);
}
