// 100 000 pod-like series in a real host, for `scrape.ts` to scrape. Argument: the port. Tells at every line of
// standard input how long the event loop stood still at most since the line before.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { Host, loadConfig } from '@retina/core';
import prometheus from '@retina/exporter-prometheus';
import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';

const PODS = 2500;
const PEERS = 40;
const RESOLUTION_MS = 1;

const series = definePlugin({
  name: 'series',
  api: API,
  description: 'Holds many series, as a busy node with pod-level metrics does.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config: z.object({}),
  metrics: {
    series_total: {
      kind: 'counter',
      help: 'Packets between two pods.',
      labels: ['direction', 'source_ip', 'source_namespace', 'source_podname', 'destination_ip', 'destination_podname'],
      maxSeries: 200_000,
    },
  },
  setup(ctx) {
    const direction = ctx.label('INGRESS');
    const ids = (of: (i: number) => string) => Array.from({ length: PODS }, (_, i) => ctx.label(of(i)));
    const addresses = ids((i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const namespaces = ids((i) => `namespace-${i % 20}`);
    const names = ids((i) => `deployment-${i >> 3}-7d9c6b5f4-${(i * 7919).toString(36)}`);
    for (let i = 0; i < PODS; i++) {
      for (let j = 1; j <= PEERS; j++) {
        const peer = (i + j * 37) % PODS;
        ctx.metrics.series_total.add(i * j, direction, addresses[i]!, namespaces[i]!, names[i]!, addresses[peer]!, names[peer]!); // prettier-ignore
      }
    }
  },
});

const text = JSON.stringify({
  plugins: { series: {} },
  exporters: { prometheus: { host: '127.0.0.1', port: Number(process.argv[2]) } },
  identity: { local: false },
});
const quiet = () => undefined;
const host = await Host.start(loadConfig({ text, environment: {} }).config, {
  loader: null,
  components: { series: series, prometheus: prometheus },
  logger: {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (message, fields) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  },
});

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`block ${Math.max(0, delay.max / 1e6 - RESOLUTION_MS)} ms\n`);
  delay.reset();
  if (line === 'last') break;
}
await host.stop();
process.exit(0);
