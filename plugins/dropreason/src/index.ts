import { API, definePlugin, type PluginContext, RetinaError } from '@retina/sdk';
import { dropFlowsLayout, dropSamplesLayout, dropTotalsLayout } from './dropreason.gen.ts';
import { config, metrics, type Config } from './declarations.ts';
import { Drops } from './drops.ts';
import { Kinds } from './kinds.ts';
import { load, type Loaded } from './load.ts';
import { NO_LOSS } from './loss.ts';
import { RuleWatch } from './netfilter/rule-watch.ts';
import { onlyTrackingDrops } from './netfilter/tracking.ts';
import { Reasons } from './reasons.ts';

type Context = PluginContext<Config, typeof metrics>;

const TOTALS_MS = 1000;
const TRACKING_MS = 10_000;
/** Dropped flows reported in a second above which they are read less often. */
const MANY_RECORDS = 1000;

export default definePlugin({
  name: 'dropreason',
  api: API,
  description: 'Drops: every packet the kernel frees with a loss, by reason, direction and flow.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON'], kernel: '5.10', btf: true },
  config,
  metrics,
  async setup(ctx) {
    const reasons = new Reasons(ctx.kernel);
    const loaded = await load(ctx, reasons.number('NETFILTER_DROP'));
    const { handle } = loaded;
    const { countNoLoss } = ctx.config;
    if (!countNoLoss) {
      for (const [reason, name] of reasons.core()) {
        if (Object.hasOwn(NO_LOSS, name)) handle.update('drop_quiet', word32(reason), word64(1));
      }
    }
    const kinds = new Kinds({ handle, kernel: ctx.kernel, reasons, label: (text) => ctx.label(text), countNoLoss });
    const tracking = async () => void (kinds.onlyTracking = await onlyTrackingDrops(ctx.kernel.version));
    await tracking();
    ctx.every(TRACKING_MS, tracking);
    read(ctx, loaded, new Drops(ctx, handle, kinds));
    attach(ctx, loaded);
    if (ctx.config.rulesEverySeconds > 0) watchRules(ctx);
  },
});

/** Opens the programs' tables and stream. */
function read(ctx: Context, { handle, drops: program }: Loaded, drops: Drops): void {
  const { intervalMs, samplesPerSecond } = ctx.config;
  handle.table('drop_totals', dropTotalsLayout, TOTALS_MS, (batch) => drops.totals(batch));
  const flows = handle.table('drop_flows', dropFlowsLayout, intervalMs, (batch) => drops.flows(batch));
  if (samplesPerSecond > 0) handle.stream('drop_samples', dropSamplesLayout, (batch) => drops.samples(batch));
  let pace = intervalMs;
  let tick = 0;
  ctx.every(TOTALS_MS, () => {
    if (samplesPerSecond > 0) handle.update('drop_tick', word32(0), word64(++tick));
    drops.unattributed(handle.missed(program));
    // few drops are reported soon, a flood of them once a second
    const wanted = drops.takeRecords() > MANY_RECORDS ? Math.max(intervalMs, TOTALS_MS) : intervalMs;
    if (wanted === pace) return;
    flows.pace((pace = wanted));
  });
}

function attach(ctx: Context, { handle, drops, connects, chains }: Loaded): void {
  handle.attach(drops);
  const others = [...chains.map((name) => [name, 'Some chains of netfilter are not watched'] as const), [connects, 'Failed connects (TCP_CONNECT_BASIC) are not counted'] as const]; // prettier-ignore
  for (const [program, without] of others) {
    try {
      handle.attach(program);
    } catch (error) {
      ctx.degrade(RetinaError.from(error, 'RETINA_ATTACH_FAILED', without));
    }
  }
}

/** Shows what the rules of the agent's network namespace drop. */
function watchRules(ctx: Context): void {
  if (!ctx.kernel.capabilities.includes('NET_ADMIN')) {
    ctx.log.info('what firewall rules drop is not told by rule: that takes CAP_NET_ADMIN');
    return;
  }
  const rules = new RuleWatch(ctx.netlink);
  const { metrics: all } = ctx;
  ctx.every(ctx.config.rulesEverySeconds * 1000, async () => {
    const { outcome, deltas, bad, error } = await rules.read();
    all.drop_netfilter_readings_total.add(1, ctx.label(outcome));
    if (bad > 0) all.drop_netfilter_bad_messages_total.add(bad);
    if (outcome === 'failed') return ctx.log.debug('the rules of nf_tables cannot be read', { error: String(error) });
    for (const { family, table, chain, rule, packets, bytes } of deltas) {
      const labels = [family, table, chain, rule].map((text) => ctx.label(text)) as [number, number, number, number];
      all.drop_netfilter_packets_total.add(packets, ...labels);
      all.drop_netfilter_bytes_total.add(bytes, ...labels);
    }
    all.drop_netfilter_rules.set(rules.counted, ctx.label('yes'));
    all.drop_netfilter_rules.set(rules.uncounted, ctx.label('no'));
  });
}

function word32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function word64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}
