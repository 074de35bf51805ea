// What 10 000 pods cost an agent that knows them all: `pnpm --filter @retina/kube bench [PODS]`. A real API server holds
// them; a process of its own, with the agent's flags, reads them. Prints JSON.
import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KubeClient, kubeClient, type Pod, PODS, reflect } from '../src/index.ts';
import { ApiServer } from './api-server.ts';
import { fill, podOf } from './many-pods.ts';

const MIB = 2 ** 20;

if (process.env.RETINA_BENCH_KUBECONFIG) await measure(process.env.RETINA_BENCH_KUBECONFIG);
else await main(Number(process.argv[2] ?? 10_000));

async function main(count: number): Promise<void> {
  const server = await ApiServer.start('--max-requests-inflight=2000', '--max-mutating-requests-inflight=1000');
  try {
    const client = server.client();
    await fill(client, count);
    const env = { ...process.env, RETINA_BENCH_KUBECONFIG: server.kubeconfig('bench', { token: 'administrator' }) };
    // As the agent sets them (stay-small.ts).
    const execArgv = [
      '--conditions=@retina/source',
      '--expose-gc',
      '--semi-space-growth-factor=1',
      '--heap-growing-percent=10',
      '--max-semi-space-size=1',
    ];
    const child = fork(import.meta.filename, { env, execArgv });
    await new Promise<void>((resolve, reject) => {
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`the measured process ended with ${code}`)),
      );
      child.on('message', () => void churn(client).then(() => child.send('churned')));
    });
  } finally {
    await server.stop();
  }
}

/** 1000 changes. */
async function churn(client: KubeClient): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    const { namespace, name } = podOf(i).metadata as { namespace: string; name: string };
    await client.patch(PODS, { namespace, name }, { metadata: { labels: { changed: 'yes' } } });
  }
}

/** What identity keeps of a pod. */
function trim({ metadata, spec, status }: Pod) {
  const { namespace, name, labels, ownerReferences } = metadata;
  const owner = ownerReferences?.find(({ controller }) => controller);
  return { namespace, name, labels, owner: owner && { kind: owner.kind, name: owner.name }, node: spec.nodeName, ips: status?.podIPs?.map(({ ip }) => ip) };
} // prettier-ignore

async function measure(kubeconfig: string): Promise<void> {
  const client = kubeClient({ kubeconfig });
  await client.raw('/version'); // connections and code are not the pods' cost
  const warm = reflect(client, { resource: PODS, namespace: 'bench-0', fieldSelector: 'metadata.name=none', trim });
  await warm.synced;
  warm.stop();
  const before = await settled();
  const pauses = watchPauses();
  const started = performance.now();
  const cpu = process.cpuUsage();
  const reflector = reflect(client, { resource: PODS, trim });
  await reflector.synced;
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const atOnce = process.memoryUsage();
  const listed = { ...pauses() };
  const after = await settled();
  const { pages, bytes } = reflector.counts;
  const changing = watchPauses();
  process.send!('ready');
  await new Promise((resolve) => process.once('message', resolve));
  while (reflector.counts.events < 1000) await sleep(10);
  const mib = (n: number) => Math.round((n / MIB) * 10) / 10;
  const result = {
    pods: reflector.store.size, pages, mibRead: mib(bytes), seconds, cpuSeconds: (user + system) / 1e6,
    rssBeforeMib: mib(before.rss), rssRightAfterMib: mib(atOnce.rss), rssAfterMib: mib(after.rss),
    rssGrowthMib: mib(after.rss - before.rss), heapGrowthMib: mib(after.heapUsed - before.heapUsed),
    longestPauseMs: listed, longestPauseMsDuring1000Changes: changing(), rssAfterChangesMib: mib(process.memoryUsage().rss),
  }; // prettier-ignore
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  reflector.stop();
  client.close();
  process.disconnect();
}

async function settled(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!();
    await sleep(250);
  }
  return process.memoryUsage();
}

/** Longest turn of the event loop since the call: as it passed, and as this thread's CPU time, which other processes do not lengthen. */
function watchPauses(): () => { wall: number; cpu: number } {
  const now = () => {
    const { user, system } = process.threadCpuUsage();
    return { wall: performance.now(), cpu: (user + system) / 1000 };
  };
  let [last, running] = [now(), true];
  const most = { wall: 0, cpu: 0 };
  const turn = () => {
    const at = now();
    most.wall = Math.max(most.wall, at.wall - last.wall);
    most.cpu = Math.max(most.cpu, at.cpu - last.cpu);
    last = at;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    running = false;
    return { wall: Math.round(most.wall * 10) / 10, cpu: Math.round(most.cpu * 10) / 10 };
  };
}
