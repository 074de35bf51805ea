import { API, definePlugin, FlowWriter, Observation } from '@retina/sdk';
import { z } from 'zod';
import { synsLayout } from './syns.gen.ts'; // written by retina-bpf from bpf/syns.bpf.c

export default definePlugin({
  name: 'syns-per-pod',
  api: API,
  description: 'Counts TCP connection attempts by pod.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config: z.strictObject({
    intervalMs: z.int().min(100).default(1000).describe('Milliseconds between two readings.'),
  }),
  metrics: {
    // scope "pod": the host adds the labels that name the pod, and ends the series when the pod ends.
    pod_syns_total: {
      kind: 'counter',
      scope: 'pod',
      option: 'pod_syns',
      direction: true,
      help: 'TCP connection attempts from and to pods.',
    },
    pod_syns_lost_total: { kind: 'counter', help: 'Connection attempts for which the table had no room.' },
  },
  async setup(ctx) {
    const object = await ctx.bpf(new URL('../dist/syns.bpf.o', import.meta.url));
    const pods = new Set<number>();
    ctx.use(
      ctx.taps.watch((change, tap) => {
        if (change !== 'removed' && tap.role === 'endpoint') pods.add(tap.ifindex);
        else pods.delete(tap.ifindex);
      }),
    );
    const writer = new FlowWriter(1024);
    const syns: number[] = [];
    const count = () => {
      const rows = writer.batch();
      ctx.flows.resolve(rows); // addresses and interfaces become endpoints, in place
      for (let row = 0; row < rows.length; row++) ctx.metrics.pod_syns_total.add(syns[row]!, rows, row);
      writer.clear();
      syns.length = 0;
    };
    object.table('syns', synsLayout, ctx.config.intervalMs, (batch) => {
      const { length, col, lost } = batch;
      ctx.metrics.pod_syns_lost_total.add(lost);
      for (let row = 0; row < length; row++) {
        if (!pods.has(col.ifindex(row))) continue; // an uplink: the pod's own interface has seen it as well
        if (writer.length === writer.capacity) count();
        const sourceAddress = batch.bytes('source', row);
        writer.add({
          sourceAddress,
          destinationAddress: batch.bytes('destination', row),
          family: isIpv4(sourceAddress) ? 4 : 6,
          protocol: 6,
          ifindex: col.ifindex(row),
          observation: col.egress(row) ? Observation.TO_ENDPOINT : Observation.FROM_ENDPOINT,
        });
        syns.push(col.syns(row));
      }
      count();
    });
    ctx.use(ctx.taps.attach(object, { name: 'syns' }));
  },
});

/** ::ffff:a.b.c.d */
function isIpv4(address: Uint8Array): boolean {
  return address[10] === 0xff && address[11] === 0xff && address.subarray(0, 10).every((byte) => byte === 0);
}
