#!/usr/bin/env node
// npm test: sets up, then runs every layer. Ends with one line: N passed, N failed, N skipped.
import { join } from 'node:path';
import { clusterGiven } from './lib/cluster-tool.mjs';
import { Layers, reportOf } from './lib/layers.mjs';
import { NODE, ROOT } from './lib/paths.mjs';
import { step } from './lib/say.mjs';
import { setup } from './lib/setup.mjs';
import { reporters } from './lib/strays-report.mjs';

const ci = process.env.CI === 'true';
const env = await setup({ forTests: true, kernels: ci });
const layers = new Layers(env, { again: ci });

await layers.other('tools', 'tools', tools(), junit);
await layers.vitest('unit and replay', 'unit', (files, report) =>
  vitest(report, [
    ...files,
    '--exclude',
    '**/*.kernel.test.ts',
    '--exclude',
    '**/*.cluster.test.ts',
    '--fileParallelism',
    '--maxWorkers=2',
  ]),
);
if (process.getuid() === 0) {
  await layers.vitest('kernel', 'kernel', (files, report) =>
    vitest(report, files.length ? files : ['.kernel.test.ts']),
  );
} else if (ci) {
  layers.fail('The kernel layer needs root, and under CI no layer may be left out.');
} else {
  step('Left out: the kernel layer (needs root: run this with sudo)');
  layers.total.skipped += 1;
}
// Minutes in an emulator: where nobody waits. Elsewhere it is a command of its own.
if (ci) await layers.other('kernels', 'kernels', kernels(), JSON.parse);
else step('Left out: the kernels 5.10 to the newest (npm run test:kernels)');
// Last, since its agents see what the other layers do to the kernel. Where nobody gives a cluster it cannot run.
if (ci && clusterGiven()) {
  await layers.vitest('cluster', 'cluster', (files, report) => [
    NODE,
    [join(ROOT, 'tools', 'cluster.mjs'), '--report', report, ...(files.length ? files : ['cluster'])],
  ]);
} else {
  step(
    `Left out: the cluster (npm run test:cluster${ci ? '; neither KUBECONFIG nor RETINA_CLUSTER_TOOL is given' : ''})`,
  );
}
const { skipped } = layers.total;
if (ci && skipped > 0) layers.fail(`${skipped} tests were skipped; under CI nothing that can run is skipped.`, skipped);
process.exit(layers.end());

function tools() {
  return [
    'node',
    [
      '--test',
      '--test-reporter=junit',
      `--test-reporter-destination=${reportOf('tools')}`,
      'tools/docs.test.mjs',
      'tools/images.test.mjs',
    ],
  ];
}

function vitest(report, args) {
  return ['vitest', ['run', ...args, ...reporters(report)]];
}

function kernels() {
  const main = join(ROOT, 'kernels', 'src', 'main.ts');
  return [NODE, ['--conditions=@retina/source', main, '--report', reportOf('kernels')]];
}

function junit(text) {
  const count = (tag) => text.match(new RegExp(`<${tag}[ >/]`, 'g'))?.length ?? 0;
  const failed = count('failure');
  const skipped = count('skipped');
  return { passed: count('testcase') - failed - skipped, failed, skipped };
}
