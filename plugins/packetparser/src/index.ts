import { randomBytes } from 'node:crypto';
import { API, definePlugin } from '@retina/sdk';
import { config, defaultRingUnits } from './config.ts';
import { FlowCounts, metrics, showSource } from './metrics.ts';
import { followSockets } from './sockets.ts';

const OBJECT = new URL('../dist/packetparser.bpf.o', import.meta.url);
const STATS_MS = 1000;

export default definePlugin({
  name: 'packetparser',
  api: API,
  description: 'Flows: one record per connection and interval from the taps on pod and uplink interfaces.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config,
  metrics,
  async setup(ctx) {
    const { config: options, kernel } = ctx;
    const cpus = kernel.possibleCpus;
    const units = options.ringUnits ?? defaultRingUnits(cpus);
    // under PREEMPT_RT two taps may run at once on one CPU: what adds atomically takes everything
    const regions = kernel.preemptRt ? 0 : cpus;
    const object = await ctx.bpf(OBJECT, {
      constants: {
        rt_ring_units: units,
        rt_ring_cpus: regions,
        rt_sampling: options.dataSamplingRate,
        rt_hash_seed: randomBytes(8).readBigUInt64LE(),
      },
      maxEntries: {
        rt_ring: (units / 2) * Math.max(regions, 1),
        rt_ring_cpu: cpus,
        rt_spill_0: options.spillFlows,
        rt_spill_1: options.spillFlows,
      },
    });
    const counts = new FlowCounts(ctx.metrics, (text) => ctx.label(text));
    const source = object.flows(
      {
        intervalMs: options.dataAggregationLevel === 'high' ? options.conntrackReportInterval : options.intervalMs,
        drainMs: options.drainMs,
        maxFlows: options.maxFlows,
        tcpTimeoutSeconds: options.tcpTimeoutSeconds,
        closedTimeoutSeconds: options.closedTimeoutSeconds,
        otherTimeoutSeconds: options.otherTimeoutSeconds,
      },
      (batch) => {
        ctx.flows.emit(batch);
        counts.add(batch);
      },
    );
    const show = () => showSource(ctx.metrics, source.stats(), options, (text) => ctx.label(text));
    ctx.every(STATS_MS, show);
    show();
    ctx.use(ctx.taps.attach(object, { name: 'packetparser' }));
    if (options.sockets) await followSockets(ctx, source);
  },
});
