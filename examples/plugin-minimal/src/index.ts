import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';
import { synsLayout } from './minimal.gen.ts'; // written by retina-bpf from bpf/minimal.bpf.c

export default definePlugin({
  name: 'minimal',
  api: API,
  description: 'Counts TCP connection attempts per interface.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config: z.strictObject({
    intervalMs: z.int().min(100).default(1000).describe('Milliseconds between two readings.'),
  }),
  metrics: {
    tcp_syns_total: { kind: 'counter', help: 'TCP connection attempts seen.', labels: ['interface', 'direction'] },
  },
  async setup(ctx) {
    const object = await ctx.bpf(new URL('../dist/minimal.bpf.o', import.meta.url));
    const names = new Map<number, number>();
    ctx.use(ctx.taps.watch((_, tap) => names.set(tap.ifindex, ctx.label(tap.name))));
    const directions = [ctx.label('ingress'), ctx.label('egress')] as const;
    object.table('syns', synsLayout, ctx.config.intervalMs, ({ length, col }) => {
      for (let row = 0; row < length; row++) {
        const name = names.get(col.ifindex(row)) ?? ctx.label('unknown');
        ctx.metrics.tcp_syns_total.add(col.syns(row), name, directions[col.egress(row) === 0 ? 0 : 1]);
      }
    });
    ctx.use(ctx.taps.attach(object, { name: 'minimal' }));
  },
});
