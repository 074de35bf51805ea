// node --conditions=@retina/source packages/operator/test/measure.ts [PODS [CHANGES_PER_SECOND [SECONDS]]]
// What the operator costs against a real API server on this machine: what it takes to begin, to rest, and to follow changes.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CUSTOM_RESOURCE_DEFINITIONS, type KubeClient, type Pod, PODS, retinaCrds } from '@retina/kube';
import { ApiServer } from '../../kube/test/api-server.ts';
import { grant, metrics, replica } from './support.ts';

const [pods = 10_000, rate = 100, seconds = 60] = process.argv.slice(2).map(Number);
const CONFIG = 'remoteContext: true\n';
const say = (text: string) => process.stdout.write(`${text}\n`);
const nameOf = (i: number) => `web-${i}-5d8f7-abcde`;

function podOf(i: number): Pod {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `web-${i % 200}-5d8f7`, uid: 'u', controller: true };
  const labels = { app: `web-${i % 200}`, 'pod-template-hash': '5d8f7', team: 'a', tier: 'front' };
  const spec = { nodeName: `node${i % 100}`, terminationGracePeriodSeconds: 0, containers: ['c', 'side'].map((name) => ({ name, image: 'x' })) }; // prettier-ignore
  return { metadata: { namespace: 'default', name: nameOf(i), labels, ownerReferences: [owner] }, spec };
}

/** `restarts` changes the containers' ids, and with them the RetinaEndpoint. */
function run(admin: KubeClient, i: number, restarts: number): Promise<unknown> {
  const ip = `10.${(i >> 14) & 255}.${(i >> 7) & 127}.${i & 127}`;
  const containerStatuses = ['c', 'side'].map((name) => ({ name, image: 'x', imageID: 'i', ready: true, restartCount: restarts, containerID: `containerd://${i}${name}${restarts}` })); // prettier-ignore
  const status = { phase: 'Running', hostIP: `10.0.${i % 100}.1`, podIP: ip, podIPs: [{ ip }, { ip: `fd00::${i.toString(16)}` }], containerStatuses }; // prettier-ignore
  return admin.patch(PODS, { namespace: 'default', name: nameOf(i) }, { status }, { subresource: 'status' });
}

interface Pace {
  readonly seconds: number;
  readonly made: number;
  readonly refused: number;
  /** Most milliseconds by which one began after its time: whoever makes the changes, or the API server, could not follow. */
  readonly lateMs: number;
}

/** Restarts containers of pods at random, `rate` a second. */
async function change(admin: KubeClient, forSeconds: number, first: number): Promise<Pace> {
  let [begun, made, refused, lateMs] = [0, 0, 0, 0];
  const start = performance.now();
  const changer = async () => {
    for (;;) {
      const at = (begun++ / rate) * 1000;
      if (at >= forSeconds * 1000) return;
      const wait = start + at - performance.now();
      if (wait > 0) await sleep(wait);
      lateMs = Math.max(lateMs, -wait);
      await run(admin, Math.floor(Math.random() * pods), first + begun).then(() => made++, () => refused++); // prettier-ignore
    }
  };
  await Promise.all(Array.from({ length: 32 }, changer));
  return { seconds: (performance.now() - start) / 1000, made, refused, lateMs };
}

const paceText = ({ seconds, made, refused, lateMs }: Pace) =>
  `${made} changes in ${seconds.toFixed(1)} s, ${(made / seconds).toFixed(1)} a second, ${refused} refused, begun at most ${lateMs.toFixed(0)} ms late`; // prettier-ignore

const server = await ApiServer.start();
try {
  const admin = server.client();
  for (const definition of retinaCrds()) await admin.apply(CUSTOM_RESOURCE_DEFINITIONS, definition);
  let next = 0;
  const filler = async () => {
    for (let i = next++; i < pods; i = next++) {
      await admin.create(PODS, podOf(i));
      await run(admin, i, 0);
    }
  };
  await Promise.all(Array.from({ length: 16 }, filler));
  say(`without an operator: ${paceText(await change(admin, 20, 0))}`);
  const file = server.file('operator.yaml');
  writeFileSync(file, CONFIG);
  await using operator = replica(await grant(server, admin, CONFIG), file);
  const [, port] = await operator.output(/"metrics":(\d+)/, 60_000);
  const read = async () => {
    const all = await metrics(Number(port));
    const one = (name: string) => all.get(name) ?? 0;
    const written = ['create', 'update', 'delete'].reduce((n, verb) => n + one(`retina_operator_writes_total{verb="${verb}"}`), 0); // prettier-ignore
    return { at: performance.now(), cpu: one('process_cpu_seconds_total'), rss: one('process_resident_memory_bytes'), endpoints: one('retina_operator_retinaendpoints'), waiting: one('retina_operator_queue_length'), oldest: one('retina_operator_queue_oldest_seconds'), written }; // prettier-ignore
  };
  const between = (a: Awaited<ReturnType<typeof read>>, b: typeof a) =>
    `${(((b.cpu - a.cpu) / (b.at - a.at)) * 1000).toFixed(3)} core, ${(b.rss / 2 ** 20).toFixed(0)} MiB, ${((b.written - a.written) / ((b.at - a.at) / 1000)).toFixed(1)} writes/s, ${(((b.cpu - a.cpu) / Math.max(1, b.written - a.written)) * 1000).toFixed(2)} ms of CPU per write`; // prettier-ignore
  const begun = await read();
  for (let now = begun; now.endpoints < pods || now.waiting > 0; now = await read()) await sleep(500);
  const filled = await read();
  say(`${pods} RetinaEndpoints written in ${((filled.at - begun.at) / 1000).toFixed(0)} s: ${between(begun, filled)}`);
  await sleep(15_000);
  const rested = await read();
  say(`at rest: ${between(filled, rested)}`);
  let longest = 0;
  let changing = true;
  const watcher = async () => {
    for (; changing; await sleep(1000)) longest = Math.max(longest, (await read()).oldest);
  };
  const watching = watcher();
  const pace = await change(admin, seconds, 20 * rate);
  for (let now = await read(); now.waiting > 0; now = await read()) await sleep(50);
  const followed = await read();
  changing = false;
  await watching;
  say(`${paceText(pace)}; followed ${((followed.at - rested.at) / 1000 - pace.seconds).toFixed(1)} s after the last`);
  say(`the operator meanwhile: ${between(rested, followed)}; one waited at most ${(longest * 1000).toFixed(0)} ms`);
} finally {
  await server.stop();
}
process.exit(0);
