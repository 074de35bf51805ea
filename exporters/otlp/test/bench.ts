/**
 * What a push of 100 000 series and 50 000 flow records cost, what writing a record costs beside the SDK's way, and what becomes of
 * 50 000 and of 500 000 records a second, with an OpenTelemetry Collector at the other end: `pnpm bench` in this package (with LOAD=1 the
 * last alone). The receiver of single pushes is a process of its own that counts bytes and answers; figures are this process's.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { costOf, flowLoad, podFamily, ReceiverProcess, residentMiB } from '@retina/testkit';
import { ByteRequest } from '../src/flow-bytes.ts';
import { JsonRequest } from '../src/flow-json.ts';
import { FlowTotals } from '../src/flow-totals.ts';
import exporter from '../src/index.ts';
import { resourceOf } from '../src/resource.ts';
import { Collector } from './collector.ts';
import { context, ENDPOINTS, flowBatch, never } from './context.ts';
import { ObjectRequest } from './objects.ts';

const SERIES = 100_000;
const RECORDS = 50_000;
const ROUNDS = 100;
const SECONDS = Number(process.env['SECONDS'] ?? 8);

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
  ReceiverProcess.answer((proxy.address() as { port: number }).port, () => bytes);
}

async function measure(): Promise<void> {
  say('one record, microseconds of processor time', writing());
  const rows: Record<string, unknown>[] = [];
  for (const protocol of process.env['LOAD'] ? [] : (['grpc', 'http/protobuf', 'http/json'] as const)) {
    for (const compression of ['gzip', 'none'] as const) rows.push(await once_(protocol, compression));
  }
  say('pushes', rows);
  for (const rate of (process.env['RATES'] ?? '50000,500000').split(',').map(Number)) {
    for (const protocol of ['grpc', 'http/protobuf', 'http/json'] as const) await offered(protocol, rate);
  }
  process.exit(0);
}

/** Records at a rate through a whole agent to a Collector, which says how many it took. */
async function offered(protocol: 'grpc' | 'http/protobuf' | 'http/json', rate: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'retina-otlp-bench-'));
  await using collector = await Collector.start({ folder, counting: true });
  const endpoint = `http://127.0.0.1:${protocol === 'grpc' ? collector.grpc : collector.http}`;
  const options = { endpoint, protocol, metrics: { enabled: false }, flows: { enabled: true } };
  const load = await flowLoad({ exporter, options, rate, seconds: SECONDS });
  // What it was told of losses are records, too.
  for (let i = 0; i < 100 && collector.records < load.delivered; i++) await new Promise((done) => setTimeout(done, 20));
  say(`${rate} records/s by ${protocol}`, { ...load, 'in the Collector': collector.records });
  rmSync(folder, { recursive: true, force: true });
}

async function once_(protocol: 'grpc' | 'http/protobuf' | 'http/json', compression: 'gzip' | 'none') {
  using receiver = await ReceiverProcess.start(import.meta.filename, 'receiver', protocol);
  const before = residentMiB();
  const { openSink } = await import('../src/sink.ts');
  let value = 1;
  const opened = context(
    { endpoint: `http://127.0.0.1:${receiver.port}`, protocol, compression, flows: { enabled: true } },
    () => [podFamily(SERIES, (i) => i * value)],
  );
  const sink = await openSink(opened.ctx);
  await sink.flows!(flowBatch(1), never);
  const loaded = residentMiB();
  const figures: Record<string, unknown> = { protocol, compression, 'loaded MiB': loaded - before };
  await sink.metrics!(opened.ctx.metrics, never); // compiled
  const metrics = await costOf(async () => void (value++, await sink.metrics!(opened.ctx.metrics, never)), receiver);
  const batch = flowBatch(5000);
  const flows = await costOf(async () => {
    for (let sent = 0; sent < RECORDS; sent += batch.length) await sink.flows!(batch, never);
  }, receiver);
  Object.assign(figures, prefixed('100k series', metrics), prefixed('50k flows', flows), { 'RSS MiB': residentMiB() });
  await opened[Symbol.asyncDispose]();
  return figures;
}

function say(what: string, figures: unknown): void {
  process.stdout.write(`${what}: ${inspect(figures, { depth: 4, breakLength: 160 })}\n`);
}

/** Both encodings, ours and the SDK's, alternately in one run. */
function writing(): Record<string, number> {
  const texts = {
    endpoints: { byId: (id: number) => ENDPOINTS[id] ?? ENDPOINTS[0]!, byAddress: () => ENDPOINTS[0]! },
    labelText: (id: number) => `label ${id}`,
  };
  const resource = resourceOf({ nodeName: 'n', clusterName: undefined, version: '1' }, {});
  const origin = { resource, scope: { name: 'retina', version: '1' } };
  const [bytes, json, objects] = [
    new ByteRequest(origin, texts),
    new JsonRequest(origin, texts),
    new ObjectRequest(origin, texts),
  ];
  const batch = flowBatch(1000);
  const totals = new FlowTotals();
  const took = new Map<string, number>();
  const timed = (what: string, request: Pick<ByteRequest, 'begin' | 'record'>, end: () => unknown) => {
    const before = process.threadCpuUsage();
    request.begin(Date.now());
    for (let i = 0; i < batch.length; i++) request.record(batch, i, 'none', totals.clear().add(batch, i));
    end();
    const { user, system } = process.threadCpuUsage(before);
    took.set(what, (took.get(what) ?? 0) + (user + system) / ROUNDS / batch.length);
  };
  for (let round = 0; round < ROUNDS; round++) {
    timed('protobuf', bytes, () => bytes.release(bytes.end()));
    timed('protobuf by the SDK', objects, () => ProtobufLogsSerializer.serializeRequest(objects.records));
    timed('JSON', json, () => json.release(json.end()));
    timed('JSON by the SDK', objects, () => JsonLogsSerializer.serializeRequest(objects.records));
  }
  return Object.fromEntries(took);
}

function prefixed(prefix: string, figures: object): object {
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${prefix}: ${key}`, value as unknown]));
}
