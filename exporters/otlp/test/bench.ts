/**
 * What a push of 100 000 series and 50 000 flow records cost: `pnpm bench` in this package. The receiver is a process of its own that
 * counts bytes and answers; figures are this process's. A turn is measured by the processor time between two turns of the event loop, so
 * that what else runs on the machine does not show as a pause.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { connect, createServer } from 'node:net';
import type { MetricFamily } from '@retina/sdk';
import { context, flowBatch, never } from './context.ts';

const SERIES = 100_000;
const RECORDS = 50_000;

if (process.argv[2] === 'receiver') await receive(process.argv[3] === 'grpc');
else await measure();

async function receive(grpc: boolean): Promise<void> {
  let target: number;
  if (grpc) {
    const { GrpcReceiver } = await import('./receiver.ts');
    target = (await GrpcReceiver.start(() => Buffer.alloc(0))).port;
  } else {
    const server = createHttp((request, response) => request.resume().on('end', () => response.end())).listen(0);
    await once(server, 'listening');
    target = (server.address() as { port: number }).port;
  }
  let bytes = 0;
  const proxy = createServer((socket) => {
    const inner = connect(target, '127.0.0.1');
    socket.on('data', (chunk) => (bytes += chunk.length));
    socket.pipe(inner).pipe(socket);
    socket.on('error', () => inner.destroy());
    inner.on('error', () => socket.destroy());
  }).listen(0);
  await once(proxy, 'listening');
  process.on('message', () => process.send!(bytes));
  process.send!((proxy.address() as { port: number }).port);
}

async function measure(): Promise<void> {
  const rows: Record<string, unknown>[] = [];
  for (const protocol of ['grpc', 'http/protobuf', 'http/json'] as const) {
    for (const compression of ['gzip', 'none'] as const) rows.push(await once_(protocol, compression));
  }
  console.table(rows); // eslint-disable-line no-console -- its output
  process.exit(0);
}

async function once_(protocol: 'grpc' | 'http/protobuf' | 'http/json', compression: 'gzip' | 'none') {
  const child = fork(import.meta.filename, ['receiver', protocol], { execArgv: process.execArgv });
  const [port] = (await once(child, 'message')) as [number];
  const wire = async () => {
    child.send('bytes');
    return ((await once(child, 'message')) as [number])[0];
  };
  const before = rss();
  const { openSink } = await import('../src/sink.ts');
  let value = 1;
  const opened = context(
    { endpoint: `http://127.0.0.1:${port}`, protocol, compression, flows: { enabled: true } },
    () => [pods(SERIES, () => value)],
  );
  const sink = await openSink(opened.ctx);
  await sink.flows!(flowBatch(1), never);
  const loaded = rss();
  const figures: Record<string, unknown> = { protocol, compression, 'loaded MiB': loaded - before };
  await sink.metrics!(opened.ctx.metrics, never); // compiled
  const metrics = await cost(async () => void (value++, await sink.metrics!(opened.ctx.metrics, never)), wire);
  const batch = flowBatch(1000);
  const flows = await cost(async () => {
    for (let sent = 0; sent < RECORDS; sent += 1000) await sink.flows!(batch, never);
  }, wire);
  Object.assign(figures, prefixed('100k series', metrics), prefixed('50k flows', flows), { 'RSS MiB': rss() });
  await opened[Symbol.asyncDispose]();
  child.kill();
  return figures;
}

async function cost(work: () => Promise<void>, wire: () => Promise<number>) {
  const bytes = await wire();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const wall = performance.now() - began;
  const sent = (await wire()) - bytes;
  const turns = longestTurn(); // it keeps the loop busy, so it watches a run of its own
  await work();
  const longest = turns();
  return {
    'CPU ms': Math.round((user + system) / 1000),
    'wall ms': Math.round(wall),
    'longest turn ms': longest,
    'wire MB': Math.round(sent / 1e4) / 100,
  };
}

/** Watches the event loop; the result ends that and says the most processor time, in milliseconds, that one turn took. */
function longestTurn(): () => number {
  let longest = 0;
  let last = process.threadCpuUsage();
  let watching = true;
  const look = () => {
    const { user, system } = process.threadCpuUsage(last);
    longest = Math.max(longest, user + system);
    last = process.threadCpuUsage();
    if (watching) setImmediate(look);
  };
  setImmediate(look);
  return () => {
    watching = false;
    return Math.round(longest / 100) / 10;
  };
}

function prefixed(prefix: string, figures: object): object {
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${prefix}: ${key}`, value as unknown]));
}

function rss(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

function pods(n: number, value: () => number): MetricFamily {
  const label = [
    () => 'ingress',
    (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    (i: number) => `namespace-${i % 50}`,
    (i: number) => `web-7d4b9c6f5-${i.toString(36)}`,
    () => 'Deployment',
    (i: number) => `web-${i % 2000}`,
  ];
  return {
    name: 'networkobservability_adv_forward_bytes', help: 'Bytes forwarded.', kind: 'counter', unit: 'bytes',
    labels: ['direction', 'ip', 'namespace', 'podname', 'workload_kind', 'workload_name'], size: n,
    live: () => true, value: (i) => i * value(), label: (i, j) => label[j]!(i), created: () => 1_700_000_000_000,
  }; // prettier-ignore
}
