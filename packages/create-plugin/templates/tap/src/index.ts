import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';
import { resetsLayout } from './probe.gen.ts'; // written by retina-bpf from bpf/probe.bpf.c

export default definePlugin({
  name: 'my-thing',
  api: API,
  description: 'Counts TCP resets per interface.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config: z.strictObject({
    intervalMs: z.int().min(100).default(1000).describe('Milliseconds between two readings.'),
  }),
  metrics: {
    my_thing_resets_total: { kind: 'counter', help: 'TCP resets seen.', labels: ['interface', 'direction'] },
  },
  async setup(ctx) {
    const object = await ctx.bpf(new URL('../dist/probe.bpf.o', import.meta.url));
    // Label values are small integers: the text is looked up once, not per record.
    const unknown = ctx.label('unknown');
    const directions = [ctx.label('ingress'), ctx.label('egress')] as const;
    const names = new Map<number, number>();
    ctx.use(ctx.taps.watch((_, tap) => names.set(tap.ifindex, ctx.label(tap.name))));
    object.table('resets', resetsLayout, ctx.config.intervalMs, ({ length, col }) => {
      for (let row = 0; row < length; row++) {
        const name = names.get(col.ifindex(row)) ?? unknown;
        ctx.metrics.my_thing_resets_total.add(col.resets(row), name, directions[col.egress(row) === 0 ? 0 : 1]);
      }
    });
    ctx.use(ctx.taps.attach(object, { name: 'probe' }));
  },
});
