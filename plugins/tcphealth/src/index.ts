import { API, definePlugin, RetinaError, type BpfHandle } from '@retina/sdk';
import { config, type Context, metrics } from './declarations.ts';
import { Health } from './health.ts';
import { healthEventsLayout, healthFlowsLayout, healthFoldedLayout, healthMeasuresLayout } from './tcphealth.gen.ts';

const OBJECT = new URL('../dist/tcphealth.bpf.o', import.meta.url);
const REST_MS = 1000;
/** Every program, and what goes missing without it. Without the first there is nothing to tell. */
const PROGRAMS = {
  state: 'connections are not seen',
  destroy: 'connections are remembered after their end, until there is no room for more',
  received_reset: 'connections reset by their peer are not counted as such',
  sent_reset: 'connections reset from here are not counted as such',
  answer: 'set-up times of accepted connections whose SYN-ACK was sent again are not known',
  probe: 'round-trip times are known of connections that end only',
} as const;

export default definePlugin({
  name: 'tcphealth',
  api: API,
  description: 'Health of TCP connections by endpoint: round-trip and set-up times, failures by error, resets by whom.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON'], kernel: '5.10', btf: true },
  config,
  metrics,
  async setup(ctx) {
    const programs = Object.keys(PROGRAMS).filter((program) => program !== 'probe' || ctx.config.roundTripEveryMs > 0);
    const { handle, prefix } = await load(ctx, programs);
    const health = new Health(ctx, handle);
    const { intervalMs } = ctx.config;
    handle.table('health_measures', healthMeasuresLayout, intervalMs, (batch) => health.measures(batch));
    handle.table('health_events', healthEventsLayout, intervalMs, (batch) => health.events(batch));
    handle.table('health_folded', healthFoldedLayout, intervalMs, (batch) => health.folded(batch));
    if (ctx.config.annotateFlows) {
      handle.table('health_flows', healthFlowsLayout, intervalMs, (batch) => health.annotate(batch));
    }
    const counting: string[] = [];
    ctx.every(REST_MS, () => health.rest(counting));
    for (const program of programs) {
      try {
        handle.attach(prefix + program);
        counting.push(prefix + program);
      } catch (error) {
        if (program === 'state') throw error;
        const missing = PROGRAMS[program as keyof typeof PROGRAMS];
        ctx.degrade(RetinaError.from(error, 'RETINA_ATTACH_FAILED', `A tracepoint of TCP is refused: ${missing}`));
      }
    }
  },
});

/** Loads the programs, typed where the kernel allows it, else raw. */
async function load(ctx: Context, wanted: readonly string[]): Promise<{ handle: BpfHandle; prefix: string }> {
  const { annotateFlows, maxConnections, maxPairs, roundTripEveryMs } = ctx.config;
  const options = (prefix: string) => ({
    constants: { annotate_flows: annotateFlows ? 1 : 0, sample_fifths: Math.ceil(roundTripEveryMs / 200) },
    maxEntries: {
      health_connections: maxConnections,
      health_measures_0: maxPairs,
      health_measures_1: maxPairs,
      health_events_0: maxPairs,
      health_events_1: maxPairs,
    },
    skipPrograms: ['', 'raw_'].flatMap((kind) =>
      Object.keys(PROGRAMS)
        .filter((program) => kind !== prefix || !wanted.includes(program))
        .map((program) => kind + program),
    ),
  });
  try {
    return { handle: await ctx.bpf(OBJECT, options('')), prefix: '' };
  } catch (error) {
    const { code } = RetinaError.from(error, 'RETINA_LOAD_FAILED', 'The object was not loaded');
    if (code !== 'RETINA_VERIFIER_REJECTED' && code !== 'RETINA_LOAD_FAILED') throw error;
    ctx.log.warn('the kernel refused the typed programs; trying the raw ones', { error: String(error) });
    return { handle: await ctx.bpf(OBJECT, options('raw_')), prefix: 'raw_' };
  }
}
