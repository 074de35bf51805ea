#!/usr/bin/env node
// npm test: sets up, then runs every layer. Ends with one line: N passed, N failed, N skipped.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clusterGiven } from './lib/cluster-tool.mjs';
import { NODE, ROOT } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';
import { step } from './lib/say.mjs';

const ci = process.env.CI === 'true';
const env = await setup({ forTests: true, kernels: ci });
const total = { passed: 0, failed: 0, skipped: 0 };

await layer(
  'tools',
  [
    'node',
    [
      '--test',
      '--test-reporter=junit',
      `--test-reporter-destination=${report('tools')}`,
      'tools/docs.test.mjs',
      'tools/images.test.mjs',
    ],
  ],
  junit,
);
await layer(
  'unit and replay',
  vitest('unit', [
    '--exclude',
    '**/*.kernel.test.ts',
    '--exclude',
    '**/*.cluster.test.ts',
    '--fileParallelism',
    '--maxWorkers=2',
  ]),
  vitestJson,
);
if (process.getuid() === 0) await layer('kernel', vitest('kernel', ['.kernel.test.ts']), vitestJson);
else if (ci) {
  process.stderr.write('The kernel layer needs root, and under CI no layer may be left out.\n');
  total.failed += 1;
} else {
  step('Left out: the kernel layer (needs root: run this with sudo)');
  total.skipped += 1;
}
// Minutes in an emulator: where nobody waits. Elsewhere it is a command of its own.
if (ci) await layer('kernels', kernels(), JSON.parse);
else step('Left out: the kernels 5.10 to the newest (npm run test:kernels)');
// Last, since its agents see what the other layers do to the kernel. Where nobody gives a cluster it cannot run.
if (ci && clusterGiven())
  await layer(
    'cluster',
    [NODE, [join(ROOT, 'tools', 'cluster.mjs'), '--report', report('cluster')], 'cluster'],
    vitestJson,
  );
else
  step(
    `Left out: the cluster (npm run test:cluster${ci ? '; neither KUBECONFIG nor RETINA_CLUSTER_TOOL is given' : ''})`,
  );
if (ci && total.skipped > 0) {
  process.stderr.write(`${total.skipped} tests were skipped; under CI nothing that can run is skipped.\n`);
  total.failed += total.skipped;
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exit(total.failed ? 1 : 0);

function report(name) {
  const dir = join(ROOT, '.retina', 'reports');
  mkdirSync(dir, { recursive: true });
  return join(dir, `${name}.out`);
}

function vitest(name, args) {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report(name)}`];
  return ['vitest', ['run', ...args, ...reporters], name];
}

function kernels() {
  const main = join(ROOT, 'kernels', 'src', 'main.ts');
  return [NODE, ['--conditions=@retina/source', main, '--report', report('kernels')], 'kernels'];
}

/** Runs one layer, shows its output, and adds its counts; a layer that leaves no report counts as one failure. */
async function layer(title, [command, args, name = 'tools'], read) {
  step(`Layer: ${title}`);
  rmSync(report(name), { force: true });
  const code = await run(command, args, { cwd: ROOT, env, show: true });
  let counts;
  try {
    counts = read(readFileSync(report(name), 'utf8'));
  } catch (error) {
    process.stderr.write(`The layer left no report: ${error.message}\n`);
    counts = { passed: 0, failed: 0, skipped: 0 };
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  for (const key of Object.keys(total)) total[key] += counts[key];
}

function vitestJson(text) {
  const json = JSON.parse(text);
  // A file that fails to load has no tests in it and would otherwise not count.
  const broken = json.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  return {
    passed: json.numPassedTests,
    failed: json.numFailedTests + broken,
    skipped: json.numPendingTests + json.numTodoTests,
  };
}

function junit(text) {
  const count = (tag) => text.match(new RegExp(`<${tag}[ >/]`, 'g'))?.length ?? 0;
  const failed = count('failure');
  const skipped = count('skipped');
  return { passed: count('testcase') - failed - skipped, failed, skipped };
}
