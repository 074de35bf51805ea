// What knowing a big cluster costs an agent's event loop: `node --conditions=@retina/source packages/agent/test/bench-cluster.ts
// [PODS]`, as root. A real API server holds PODS pods (default 10 000) on 200 nodes, and 500 services; the whole agent, in a
// network namespace of its own, reads them, rests, and follows what changes. Prints the longest turns of each phase, by
// the CPU time of their thread and by the clock (and what they waited for a core besides). With 'taskset -c 0' what it tests with
// leaves the agent a core.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as kube from '@retina/kube';
import { Running } from '@retina/testkit';
import { ApiServer } from '../../kube/test/api-server.ts';
import { fill, podOf, NODES as COUNT_OF_NODES } from '../../kube/test/many-pods.ts';
import { Proxy } from '../../kube/test/proxy.ts';

const SERVICES = 500;
const METRICS = 'http://127.0.0.1:10093';
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const say = (text: string) => process.stdout.write(`${text}\n`);

if (process.argv[3] === 'inside') await main(Number(process.argv[2]));
else {
  // No interface but loopback: nothing of this machine is touched.
  const again = [process.execPath, ...process.execArgv, here('bench-cluster.ts'), process.argv[2] ?? '10000', 'inside'];
  const { status } = spawnSync('unshare', ['-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...again], { stdio: 'inherit' }); // prettier-ignore
  process.exitCode = status ?? 1;
}

async function main(count: number): Promise<void> {
  // Without a route it finds no address to tell others, of whom there are none.
  const flags = ['--max-requests-inflight=2000', '--max-mutating-requests-inflight=1000', '--advertise-address=192.0.2.1']; // prettier-ignore
  const server = await ApiServer.start(...flags);
  const proxy = await Proxy.to(server.port);
  try {
    const client = server.client();
    await populate(client, count);
    proxy.hold();
    const config = server.file('agent.yaml');
    const kubernetes = {
      kubeconfig: server.kubeconfig('agent', { token: 'administrator' }, proxy.port),
      namespaceSelector: { matchLabels: { observed: 'yes' } },
    };
    const plugins = Object.fromEntries(['packetparser', 'packetforward', 'dropreason', 'dns', 'linuxutil'].map((name) => [name, {}])); // prettier-ignore
    const exporters = { prometheus: {} };
    const all = { nodeName: 'node-0', enablePodLevel: true, remoteContext: true, api: { socket: server.file('agent.sock') }, plugins, exporters, kubernetes }; // prettier-ignore
    writeFileSync(config, JSON.stringify(all));
    const args = ['--conditions=@retina/source', '--max-semi-space-size=1', '--import', here('turns.ts'), here('../src/main.ts'), '--no-tui', '--config', config]; // prettier-ignore
    // On every core, also where the rest was told to keep to one.
    await using agent = new Running('taskset', ['-c', `0-${cpus().length - 1}`, process.execPath, ...args]);
    await eventually(async () => (await fetch(`${METRICS}/readyz`)).status === 200);
    await sleep(5000); // what starting costs is another matter
    let asked = 0;
    const phase = async (title: string, act: () => Promise<unknown>) => {
      const before = await value('process_cpu_seconds_total');
      agent.kill('SIGUSR2');
      await agent.output(new RegExp(`^turns ${++asked} `, 'm'));
      await act();
      agent.kill('SIGUSR2');
      const [, turns] = await agent.output(new RegExp(`^turns ${++asked} (.*)$`, 'm'));
      const cpu = (await value('process_cpu_seconds_total')) - before;
      const rss = (await value('process_resident_memory_bytes')) / 2 ** 20;
      say(`${title.padEnd(56)} ms ${turns!.padEnd(58)} used ${cpu.toFixed(2)} s, RSS ${rss.toFixed(0)} MiB`);
    };
    const objects = (watch: string) => value(`retina_kubernetes_objects{watch="${watch}"}`);
    await phase(`${count} pods, ${COUNT_OF_NODES} nodes, ${SERVICES} services are read`, async () => {
      proxy.release();
      await eventually(async () => (await objects('pods')) === count);
    });
    await phase('20 s at rest, scraped every two', () => scraped(20));
    await phase('100 changes of pods a second, for 20 s', () =>
      Promise.all([scraped(20), paced(2000, 100, (i) => label(client, i, { turn: 'one' }))]),
    );
    await phase('all eight namespaces are chosen', () => chosen(client, 'yes'));
    await phase('and are not', () => chosen(client, null));
    await phase('every node moves to another zone', async () => {
      for (let n = 0; n < COUNT_OF_NODES; n++) {
        const labels = { 'topology.kubernetes.io/zone': 'moved' };
        await client.patch(kube.NODES, { name: `node-${n}` }, { metadata: { labels } });
      }
      await sleep(3000);
    });
    await phase('every fourth pod is deleted while it is cut off, and it lists again', async () => {
      proxy.cut(true);
      const quarter = Array.from({ length: count / 4 }, (_, i) => podOf(4 * i).metadata);
      await each(quarter, ({ namespace, name }) => client.delete(kube.PODS, { namespace, name }));
      await server.compact();
      await server.kill(); // its watch cache went back further
      await server.up();
      proxy.mend();
      await eventually(async () => (await objects('pods')) === count - quarter.length);
      await sleep(15_000); // their names end
    });
  } finally {
    proxy.close();
    await server.stop();
  }
}

async function populate(client: kube.KubeClient, count: number): Promise<void> {
  await each(Array.from({ length: COUNT_OF_NODES }, (_, n) => n), async (n) => {
    const at = { name: `node-${n}` };
    await client.create(kube.NODES, { metadata: { ...at, labels: { 'topology.kubernetes.io/zone': `zone-${n % 3}` } } });
    const addresses = [{ type: 'InternalIP', address: `172.16.${n >> 8}.${n & 255}` }];
    await client.patch(kube.NODES, at, { status: { addresses } }, { subresource: 'status' });
  }); // prettier-ignore
  await fill(client, count, async (i) => {
    const { namespace, name } = podOf(i).metadata;
    const ip = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
    const containerStatuses = ['server', 'sidecar'].map((name) => ({ name, image: 'x', imageID: 'i', ready: true, restartCount: 0, containerID: `containerd://${i}` })); // prettier-ignore
    const status = { phase: 'Running', hostIP: `172.16.0.${i % COUNT_OF_NODES}`, podIP: ip, podIPs: [{ ip }, { ip: `fd00::${i.toString(16)}` }], containerStatuses }; // prettier-ignore
    await client.patch(kube.PODS, { namespace, name }, { status }, { subresource: 'status' });
  });
  await each(Array.from({ length: SERVICES }, (_, i) => i), (i) => {
    const app = `application-${i}`;
    const metadata = { namespace: `bench-${i % 8}`, name: app };
    return client.create(kube.SERVICES, { metadata, spec: { selector: { app }, ports: [{ port: 80 }] } });
  }); // prettier-ignore
}

function label(client: kube.KubeClient, i: number, labels: Record<string, string>): Promise<unknown> {
  const { namespace, name } = podOf(i).metadata;
  return client.patch(kube.PODS, { namespace, name }, { metadata: { labels } });
}

async function chosen(client: kube.KubeClient, observed: string | null): Promise<void> {
  for (let n = 0; n < 8; n++) {
    await client.patch(kube.NAMESPACES, { name: `bench-${n}` }, { metadata: { labels: { observed } } });
  }
  await sleep(5000);
}

/** Reads a sample, by its name and labels as they are written. */
async function value(series: string): Promise<number> {
  const text = await (await fetch(`${METRICS}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? NaN);
}

async function scraped(seconds: number): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(2000)) await value('');
}

/** `times` calls at `rate` a second. */
async function paced(times: number, rate: number, act: (i: number) => Promise<unknown>): Promise<void> {
  const start = performance.now();
  const running: Promise<unknown>[] = [];
  for (let i = 0; i < times; i++) {
    const wait = start + (i * 1000) / rate - performance.now();
    if (wait > 0) await sleep(wait);
    running.push(act(i));
  }
  await Promise.all(running);
}

/** 16 at a time. */
async function each<T>(list: readonly T[], act: (one: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < list.length) await act(list[next++]!);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

async function eventually(look: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; ; await sleep(500)) {
    if (await look().catch(() => false)) return;
    if (Date.now() > end) throw new Error(`it did not come to pass: ${look.toString()}`);
  }
}
