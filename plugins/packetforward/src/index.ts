import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';

const OBJECT = new URL('../dist/packetforward.bpf.o', import.meta.url);
const DIRECTIONS = ['ingress', 'egress'] as const;

export default definePlugin({
  name: 'packetforward',
  api: API,
  description: 'Node totals: packets and bytes that cross the uplinks, each once, by direction.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config: z.strictObject({
    intervalMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(1000)
      .describe('Milliseconds between two readings of the counters.'),
  }),
  metrics: {
    forward_count: { kind: 'counter', help: 'Packets that crossed the uplinks, by direction.', labels: ['direction'] },
    forward_bytes: {
      kind: 'counter',
      unit: 'bytes',
      help: 'Bytes on the wire that crossed the uplinks, by direction.',
      labels: ['direction'],
    },
  },
  async setup(ctx) {
    const object = await ctx.bpf(OBJECT);
    const labels = DIRECTIONS.map((direction) => ctx.label(direction));
    const read = () => {
      const totals = object.counters('forward_totals');
      labels.forEach((direction, i) => {
        ctx.metrics.forward_count.set(totals[2 * i]!, direction);
        ctx.metrics.forward_bytes.set(totals[2 * i + 1]!, direction);
      });
    };
    ctx.use(ctx.taps.attach(object, { name: 'packetforward' }));
    ctx.every(ctx.config.intervalMs, read);
    read();
  },
});
