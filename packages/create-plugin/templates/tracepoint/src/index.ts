import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';
import { openedLayout } from './probe.gen.ts'; // written by retina-bpf from bpf/probe.bpf.c

export default definePlugin({
  name: 'my-thing',
  api: API,
  description: 'Counts TCP connections that were established, by who began them.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON'], kernel: '5.10', btf: true },
  config: z.strictObject({
    intervalMs: z.int().min(100).default(1000).describe('Milliseconds between two readings.'),
  }),
  metrics: {
    my_thing_connections_total: { kind: 'counter', help: 'TCP connections established.', labels: ['role'] },
  },
  async setup(ctx) {
    const object = await ctx.bpf(new URL('../dist/probe.bpf.o', import.meta.url));
    // Label values are small integers: the text is looked up once, not per record.
    const [client, server] = [ctx.label('client'), ctx.label('server')];
    object.table('opened', openedLayout, ctx.config.intervalMs, ({ length, col }) => {
      for (let row = 0; row < length; row++) {
        ctx.metrics.my_thing_connections_total.add(col.connections(row), col.client(row) ? client : server);
      }
    });
    ctx.use(object.attach('on_state'));
  },
});
