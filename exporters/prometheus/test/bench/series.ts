/**
 * What 100 000 series cost in each form: `pnpm exec node --conditions=@retina/source exporters/prometheus/test/bench/series.ts`. Computing is this thread's
 * own, whoever else is on the machine; the longest stretch of it without a turn of the event loop is what others wait for.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { family, type FamilyRow as Row } from '@retina/testkit';
import { RemoteWrite, remoteWriteConfig } from '../../src/remote-write.ts';
import { Rendering } from '../../src/rendering.ts';
import type { Wanted } from '../../src/negotiate.ts';

const SERIES = 100_000;
const rows = Array.from({ length: SERIES }, (_, i): Row => [
  [`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, `ns-${i % 40}`, `web-${i % 5000}-abcde`, 'Deployment', `web-${i % 300}`, 'ingress'],
  i * 7,
]); // prettier-ignore
const labels = ['ip', 'namespace', 'podname', 'workload_kind', 'workload_name', 'direction'];
const families = [
  family('networkobservability_adv_forward_count', labels, rows, { kind: 'counter', created: () => 1 }),
];
const reader = { families: () => families };

async function measured(name: string, work: () => Promise<number>): Promise<void> {
  await work(); // warm
  const before = process.threadCpuUsage();
  let last = before;
  let most = 0;
  const timer = setInterval(() => {
    const now = process.threadCpuUsage();
    most = Math.max(most, now.user + now.system - last.user - last.system);
    last = now;
  }, 1);
  const bytes = await work();
  clearInterval(timer);
  const { user, system } = process.threadCpuUsage(before);
  const rss = Math.round(process.memoryUsage.rss() / 2 ** 20);
  process.stdout.write(`${name}: ${Math.round((user + system) / 1000)} ms, longest ${(most / 1000).toFixed(1)} ms, ${(bytes / 1e6).toFixed(2)} MB, RSS ${rss} MiB\n`); // prettier-ignore
}

async function rendered(wanted: Omit<Wanted, 'names'>): Promise<number> {
  const rendering = new Rendering(reader, { ...wanted, names: [] });
  while (!rendering.done) await rendering.more();
  return rendering.bytes;
}

let received = 0;
const server = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => (received += chunk.length));
  request.on('end', () => response.writeHead(204, { 'X-Prometheus-Remote-Write-Samples-Written': '1000000' }).end());
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

process.stdout.write(`${SERIES} series, RSS before ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB\n`);
for (const format of ['text', 'openmetrics', 'protobuf'] as const) {
  for (const encoding of ['identity', 'gzip'] as const) {
    await measured(`${format}, ${encoding}`, () => rendered({ format, encoding }));
  }
}
for (const protocol of ['v2', 'v1'] as const) {
  await measured(`remote write ${protocol}, receiver in the same thread`, async () => {
    received = 0;
    using sink = new RemoteWrite(remoteWriteConfig.parse({ url, protocol }), 'node-1');
    await sink.metrics(reader, AbortSignal.timeout(60_000));
    return received;
  });
}
server.close();
server.closeAllConnections();
