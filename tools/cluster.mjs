#!/usr/bin/env node
// npm run test:cluster [-- NAME...]: builds the images, brings a cluster up (or takes KUBECONFIG's), loads them once, and runs
// every *.cluster.test.ts. With --report FILE, its figures as JSON; with --env, only says what the tests would get.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { clusterTool } from './lib/cluster-tool.mjs';
import { NODE, ROOT } from './lib/paths.mjs';
import { capture, exists, run } from './lib/run.mjs';
import { fail, step } from './lib/say.mjs';
import { reporters } from './lib/strays-report.mjs';

const args = process.argv.slice(2);
const at = args.indexOf('--report');
const report = at < 0 ? undefined : args.splice(at, 2)[1];
const WORK = join(ROOT, '.retina', 'cluster');
const env = { ...process.env, ...(process.env.KUBECONFIG ? theirs() : await ours()) };

if (args[0] === '--env') {
  for (const key of [
    'KUBECONFIG',
    'PATH',
    'RETINA_CLUSTER_TOOL',
    'RETINA_CLUSTER_REPOSITORY',
    'RETINA_CLUSTER_TAG',
    'RETINA_CLUSTER_IMAGES',
  ]) {
    if (env[key] !== undefined) process.stdout.write(`export ${key}='${env[key]}'\n`);
  }
} else {
  const files = args.length ? args : ['.cluster.test.ts'];
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  process.exitCode = await run(
    NODE,
    [vitest, 'run', ...files, '--maxWorkers=1', ...(report ? reporters(report) : [])],
    {
      cwd: ROOT,
      env,
      show: true,
    },
  );
  // On somebody's machine it stays for the next time. A cluster that was there before is left without the tests' own.
  if (process.env.CI === 'true' && env.RETINA_CLUSTER_TOOL) await run(env.RETINA_CLUSTER_TOOL, ['down']);
  const world = ['delete', 'namespace', 'retina-world', '--ignore-not-found', '--wait=false'];
  if (!env.RETINA_CLUSTER_TOOL) await run('kubectl', world, { env });
}

/** Somebody's cluster: its nodes can pull the images, which are named by their repository and tag. */
function theirs() {
  const { RETINA_CLUSTER_REPOSITORY: repository, RETINA_CLUSTER_TAG: tag } = process.env;
  if (!exists('kubectl') || !exists('helm'))
    fail('kubectl and helm are not on the PATH.', 'install them; both are single programs');
  if (!repository || !tag) {
    fail(
      'KUBECONFIG is set, but not what image its nodes shall run.',
      'push the images that "npm run images" writes, and set RETINA_CLUSTER_REPOSITORY and RETINA_CLUSTER_TAG',
    );
  }
  return {};
}

/** The cluster that the tool makes on this machine. */
async function ours() {
  const tool = clusterTool();
  if (!existsSync(tool)) {
    fail(
      'There is no cluster to test on: neither KUBECONFIG nor the tool that makes one.',
      `set KUBECONFIG, or RETINA_CLUSTER_TOOL (looked at ${tool})`,
    );
  }
  if (process.getuid() !== 0) fail('A cluster on this machine needs root.', 'run this with sudo, or set KUBECONFIG');
  mkdirSync(WORK, { recursive: true });
  step('Images');
  await must(
    NODE,
    [join(ROOT, 'tools', 'images.mjs'), '--output', WORK, '--tag', 'test'],
    'The images could not be built.',
  );
  step('Cluster (the first time compiles Kubernetes, for many minutes)');
  await must(tool, ['up', '--nodes', '2'], 'The cluster did not start.');
  const kubeconfig = capture(tool, ['kubeconfig']);
  const path = /PATH=(.*?):\$PATH/.exec(capture(tool, ['env']))?.[1];
  const built = JSON.parse(readFileSync(join(WORK, 'images.json'), 'utf8'));
  // The tag says what is inside: an image is loaded once, and a changed one makes pods change.
  const tag = `t-${Object.values(built)
    .map(({ content }) => content.slice(0, 8))
    .join('-')}`;
  const loaded = join(WORK, 'loaded');
  const key = `${tag} ${capture('stat', ['-c', '%i %W', join(kubeconfig, '..', 'node1', 'pid')]) ?? ''}`;
  if (!existsSync(loaded) || readFileSync(loaded, 'utf8') !== key) {
    await must(
      NODE,
      [join(ROOT, 'tools', 'images.mjs'), '--output', WORK, '--tag', tag],
      'The images could not be built.',
    );
    for (const name of Object.keys(built))
      await must(tool, ['load-image', join(WORK, `${name}.tar`)], `${name} could not be loaded.`);
    writeFileSync(loaded, key);
  }
  return {
    KUBECONFIG: kubeconfig,
    PATH: [path, process.env.PATH].join(delimiter),
    RETINA_CLUSTER_TOOL: tool,
    RETINA_CLUSTER_REPOSITORY: 'localhost',
    RETINA_CLUSTER_TAG: tag,
    RETINA_CLUSTER_IMAGES: WORK,
  };
}

async function must(command, list, message) {
  if ((await run(command, list)) !== 0) fail(message, 'see the output above');
}
