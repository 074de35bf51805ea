import { API, definePlugin, type Plugin } from '@retina/sdk';
import { z } from 'zod';

/** A tap plugin of the tests. Changing `run` sets it up afresh; its counts go on. */
export function probe(name: string, object: URL): Plugin {
  return definePlugin({
    name,
    api: API,
    description: 'Counts the packets of a test.',
    stability: 'experimental',
    platforms: ['linux'],
    needs: { capabilities: ['BPF', 'NET_ADMIN'] },
    config: z.object({ run: z.number().default(0) }),
    metrics: {
      [`${name}_packets_total`]: { kind: 'counter', help: 'Packets.', labels: ['hook'] },
      [`${name}_uplink_packets_total`]: { kind: 'counter', help: 'Packets at uplinks.', labels: ['hook'] },
    },
    async setup(ctx) {
      const bpf = await ctx.bpf(object);
      const hooks = ['ingress', 'egress'].map((hook) => ctx.label(hook));
      const read = () => {
        const totals = bpf.counters('probe_totals');
        hooks.forEach((hook, i) => {
          ctx.metrics[`${name}_packets_total`]!.set(totals[2 * i]!, hook);
          ctx.metrics[`${name}_uplink_packets_total`]!.set(totals[2 * i + 1]!, hook);
        });
      };
      ctx.defer(read);
      ctx.use(ctx.taps.attach(bpf, { name: 'probe' }));
      ctx.every(10, read);
    },
  });
}
