// What an agent costs on a cluster: node --conditions=@retina/source cluster/src/measure.ts [PODS], with the environment
// that `node tools/cluster.mjs --env` prints. PODS (default 0) fake pods come with kwok, on fake nodes.
import { setTimeout as sleep } from 'node:timers/promises';
import { kubeClient, PODS } from '../../packages/kube/src/index.ts';
import { agents, AGENT_IMAGE, install, kubectl, nodes, TOOL, uninstall, WORLD } from './cluster.ts';
import { parse, sum, type Sample } from './metrics.ts';
import { eventually, run } from './run.ts';
import { createWorld, echo } from './world.ts';

const WINDOW_MS = 60_000;
const FAKE_NODES = 100;
/** Pods that begin and end each second while churn is measured, and how long one lives. */
const CHURN = 50;
const LIFE_MS = 5000;
const fake = Number(process.argv[2] ?? 0);
const say = (what: string, value: string) => process.stdout.write(`${what.padEnd(52)} ${value}\n`);

interface Reading {
  readonly samples: readonly Sample[];
  readonly ms: number;
  readonly bytes: number;
}

async function read(node: string): Promise<Reading> {
  const url = `http://${(await agents()).get(node)!.addresses[0]}:10093/metrics`;
  const began = performance.now();
  const text = await (await fetch(url)).text();
  return { samples: parse(text), ms: performance.now() - began, bytes: text.length };
}

/** What a window of time costs an agent. */
async function cost(
  title: string,
  node: string,
  during: () => Promise<unknown> = () => sleep(WINDOW_MS),
): Promise<void> {
  const before = await read(node);
  const began = Date.now();
  await during();
  if (Date.now() - began < WINDOW_MS) await sleep(WINDOW_MS - (Date.now() - began));
  const after = await read(node);
  const seconds = (Date.now() - began) / 1000;
  const grown = (name: string) => sum(after.samples, name) - sum(before.samples, name);
  const mebibytes = sum(after.samples, 'process_resident_memory_bytes') / 2 ** 20;
  say(`${title}: CPU`, `${((100 * grown('process_cpu_seconds_total')) / seconds).toFixed(2)} % of a core`);
  say(`${title}: RSS`, `${mebibytes.toFixed(1)} MiB`);
  say(`${title}: series`, String(after.samples.length));
  say(`${title}: scrape`, `${after.ms.toFixed(1)} ms, ${(after.bytes / 1000).toFixed(0)} kB`);
  const turns = after.samples.find(({ name, labels }) => name === 'retina_event_loop_delay_seconds' && labels['percentile'] === '100'); // prettier-ignore
  say(`${title}: longest delay of the event loop`, `${(1000 * (turns?.value ?? NaN)).toFixed(1)} ms`);
  say(`${title}: requests to the API server`, `${((60 * grown('retina_kubernetes_requests_total')) / seconds).toFixed(1)} a minute`); // prettier-ignore
}

const fakePod = (name: string, i: number) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: WORLD, labels: { app: 'fake' } },
  spec: {
    nodeName: `fake-${1 + (i % FAKE_NODES)}`,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    tolerations: [{ operator: 'Exists' }],
    containers: [{ name: 'main', image: AGENT_IMAGE }],
  },
});

async function fakePods(count: number): Promise<void> {
  await run(TOOL, ['fake-nodes', String(FAKE_NODES)], { timeout: 120_000 });
  // Made one by one: controllers and the scheduler would take their time.
  const pods = Array.from({ length: count }, (_, i) => fakePod(`fake-${i}`, i));
  const part = Math.ceil(count / 4);
  await Promise.all(
    [0, 1, 2, 3].map((i) => {
      const items = pods.slice(i * part, (i + 1) * part);
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      return run('kubectl', ['create', '--validate=false', '-f', '-'], { input, timeout: 600_000 });
    }),
  );
  await eventually(async () => {
    const args = ['-n', WORLD, 'get', 'pods', '--field-selector=status.phase=Running', '-l', 'app=fake', '-o', 'name'];
    const running = (await kubectl(...args)).split('\n').length - 1;
    if (running < count) throw new Error(`${running} of ${count} fake pods run`);
  }, 300_000);
}

/** Pods come and go for a window of time; says how many really did. */
async function churn(): Promise<void> {
  const client = kubeClient({ userAgent: 'measure' });
  const start = performance.now();
  let [begun, made, gone] = [0, 0, 0];
  const lives: Promise<void>[] = [];
  const live = async (i: number) => {
    const at = { namespace: WORLD, name: `brief-${i}` };
    await client.create(PODS, fakePod(at.name, i));
    made++;
    await sleep(LIFE_MS);
    await client.delete(PODS, at);
    gone++;
  };
  while (performance.now() - start < WINDOW_MS) {
    lives.push(live(begun));
    const next = start + (++begun * 1000) / CHURN;
    if (next > performance.now()) await sleep(next - performance.now());
    else if (begun % CHURN === 0) await sleep(1);
  }
  // Those that live when it ends end later, in a time of their own.
  const seconds = (performance.now() - start) / 1000;
  const [came, went] = [made / seconds, gone / (seconds - LIFE_MS / 1000)];
  await Promise.all(lives);
  say('pods that came, and went', `${came.toFixed(1)}, ${went.toFixed(1)} a second`);
}

const [node] = (await nodes()) as [string];
await uninstall();
const world = await createWorld();
const began = Date.now();
const values = { enablePodLevel: true, plugins: { packetparser: {} } };
const installed = install(values);
await eventually(async () => {
  const { samples } = await read(node);
  if (!samples.some(({ labels }) => labels['podname'] === world.client.name)) {
    await echo(world.client, world.near.addresses[0]!, 9000, 1, 1).catch(() => {});
    throw new Error('no named metric yet');
  }
}, 90_000);
say('helm install to the first metric that names a pod', `${((Date.now() - began) / 1000).toFixed(1)} s`);
await installed;
await cost('idle, local context', node);
await install({ ...values, remoteContext: true });
await cost('idle, remote context', node);
await cost('10 000 datagrams a time between pods', node, async () => {
  const end = Date.now() + WINDOW_MS;
  while (Date.now() < end) await echo(world.client, world.far.addresses[0]!, 9000, 10_000, 100);
});
if (fake > 0) {
  await fakePods(fake);
  await cost(`${fake} pods known, remote context`, node);
  await cost(`${fake} pods known, ${CHURN} more come and go a second`, node, churn);
}
await run('kubectl', ['delete', 'namespace', WORLD, '--wait'], { timeout: 600_000 });
if (fake > 0) await kubectl('delete', 'nodes', '-l', 'type=kwok', '--wait=false');
