/**
 * Flow records on their way to a receiver over HTTP: `pnpm exec node --conditions=@retina/source packages/core/bench/export.ts [seconds]`.
 * First as many as must arrive, then ten times as many at a receiver that cannot keep up: memory is bounded, every lost record counted.
 */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { API, defineExporter, definePlugin, FLOW_STRIDE, FlowWriter, type FlowBatch } from '@retina/sdk';
import { z } from 'zod';
import { Host, loadConfig } from '../src/index.ts';

const SECONDS = Number(process.argv[2] ?? 10);
const TICK_MS = 10;

let emit: (batch: FlowBatch) => void;
const plugin = definePlugin({
  name: 'source', api: API, description: 'Flow records at a rate.', stability: 'experimental', platforms: ['linux'],
  needs: { capabilities: [] }, config: z.object({}), metrics: {},
  setup: (ctx) => void (emit = (batch) => ctx.flows.emit(batch)),
}); // prettier-ignore

const exporter = defineExporter({
  name: 'sink', api: API, description: 'Records as they are in memory, over HTTP.', stability: 'experimental',
  config: z.object({ port: z.int() }),
  setup(ctx) {
    const agent = new Agent({ keepAlive: true });
    ctx.defer(() => agent.destroy());
    return {
      async flows(batch, signal) {
        const asked = request({ agent, port: ctx.config.port, host: '127.0.0.1', method: 'POST', signal });
        asked.end(batch.buffer.subarray(0, batch.length * FLOW_STRIDE));
        const [response] = (await once(asked, 'response')) as [IncomingMessage];
        response.resume();
        await once(response, 'end');
      },
    };
  },
}); // prettier-ignore

function total(host: Host, name: string): number {
  const family = host.metrics.family(name);
  let sum = 0;
  for (let i = 0; family && i < family.size; i++) if (family.live(i)) sum += family.value(i);
  return sum;
}

/** The longest pauses of an event loop that does nothing but this, in milliseconds: the machine's own. */
async function idle(): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end;) {
    await new Promise((done) => setTimeout(done, TICK_MS));
  }
  delay.disable();
  return delay.max / 1e6 - 1;
}

/** The longest this thread computed between two turns of a timer: its own pauses, whoever else is on the machine. Call the result to end it. */
function stretches(): () => number {
  let most = 0;
  let before = process.threadCpuUsage();
  const timer = setInterval(() => {
    const now = process.threadCpuUsage();
    most = Math.max(most, now.user + now.system - before.user - before.system);
    before = now;
  }, 1);
  return () => (clearInterval(timer), most / 1000);
}

async function run(rate: number, receiverMs: number): Promise<Record<string, number>> {
  const worker = new Worker(new URL('export-receiver.ts', import.meta.url), { workerData: { ms: receiverMs } });
  const [port] = (await once(worker, 'message')) as [number];
  const text = JSON.stringify({ plugins: { source: {} }, exporters: { sink: { port } }, logLevel: 'fatal', identity: { local: false } }); // prettier-ignore
  const { config } = loadConfig({ text, environment: {} });
  const host = await Host.start(config, { loader: null, components: { source: plugin, sink: exporter } });
  const writer = new FlowWriter((rate * TICK_MS) / 1000);
  for (let i = 0; i < (rate * TICK_MS) / 1000; i++) {
    writer.add({ packets: 1, bytes: 100, protocol: 6, sourcePort: 1000 + (i % 60_000), destinationPort: 443, verdict: 1, flowId: i }); // prettier-ignore
  }
  const rss = process.memoryUsage.rss();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  const longest = stretches();
  delay.enable();
  let sent = 0;
  let most = 0;
  const began = performance.now();
  for (let at = began; at < began + SECONDS * 1000;) {
    // In steps of a tick, so that a late timer does not lower the rate.
    for (const due = ((performance.now() - began) / 1000) * rate; sent + writer.length <= due; sent += writer.length) {
      emit(writer.batch());
    }
    most = Math.max(most, process.memoryUsage.rss());
    await new Promise((done) => setTimeout(done, TICK_MS));
    at = performance.now();
  }
  delay.disable();
  const stretch = longest();
  const { user, system } = process.cpuUsage(cpu);
  for (const _ of host.metrics.families()); // brings the gauges up to date
  const queued = total(host, 'retina_export_queue_bytes');
  await host.stop(10_000);
  worker.postMessage('bytes');
  const [bytes] = (await once(worker, 'message')) as [number];
  await worker.terminate();
  const delivered = total(host, 'retina_export_delivered_records_total');
  const lost = total(host, 'retina_export_lost_records_total');
  return {
    'records/s': Math.round(sent / SECONDS),
    sent,
    delivered,
    lost,
    'unaccounted (must be 0)': sent - delivered - lost,
    'received, not delivered': bytes / FLOW_STRIDE - delivered,
    'queue MiB': queued / 2 ** 20,
    'RSS growth MiB': Math.round((most - rss) / 2 ** 20),
    'CPU %': Math.round((user + system) / 10_000 / SECONDS),
    'longest computing ms': stretch,
    'event loop p99 ms': delay.percentile(99) / 1e6 - 1,
    'event loop max ms': delay.max / 1e6 - 1,
  };
}

const figures = (name: string, values: Record<string, number>) => {
  const lines = Object.entries(values).map(([key, value]) => `  ${key}: ${Number(value.toFixed(2))}\n`);
  process.stdout.write(`${name}\n${lines.join('')}`);
};
await run(50_000, 0); // warms up
figures('the machine at rest', { 'event loop max ms': await idle() });
const steady = await run(50_000, 0);
figures('50 000 records/s, a quick receiver', steady);
const overload = await run(500_000, 20);
figures('500 000 records/s, a receiver that takes 20 ms for a thousand', overload);
const wrong = [steady, overload].some((one) => one['unaccounted (must be 0)'] !== 0) || steady['lost'] !== 0;
if (wrong) process.exitCode = 1;
