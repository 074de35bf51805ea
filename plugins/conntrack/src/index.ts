import { API, definePlugin, NetlinkFamily, type PluginContext, RetinaError } from '@retina/sdk';
import { DUMP, Message, payload, readEntry } from './ctnetlink.ts';
import { type Config, config, metrics, STATISTICS } from './declarations.ts';
import { Followed } from './followed.ts';
import { StateCount } from './states.ts';
import { Deltas, TableReader, type TableState } from './statistics.ts';
import { readTimeouts } from './timeouts.ts';

type Context = PluginContext<Config, typeof metrics>;

const TIMEOUTS_MS = 300_000;
const FOLLOW_MS = 1000;
/** Between two warnings about one thing. */
const WARN_EVERY_MS = 300_000;
/** Counters whose growth means lost packets, and what to do about it. */
const LOSSES: Readonly<Record<string, string>> = {
  conntrack_drop_total:
    'raise net.netfilter.nf_conntrack_max, or find what opens so many connections (conntrack -L)',
  conntrack_insert_failed_total: 'look for source NAT onto few addresses and ports, and for DNS over UDP from many sockets at once',
}; // prettier-ignore

export default definePlugin({
  name: 'conntrack',
  api: API,
  description:
    "The kernel's connection table: how full, what it refuses, what it holds, and what NAT makes of connections.",
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['NET_ADMIN'], kernel: '5.10' },
  config,
  metrics,
  setup(ctx) {
    const { intervalMs, statesEverySeconds, translations } = ctx.config;
    const watch = new TableWatch(ctx);
    const jobs: Job[] = [
      { everyMs: intervalMs, run: () => watch.read() },
      { everyMs: TIMEOUTS_MS, run: () => showTimeouts(ctx) },
    ];
    if (statesEverySeconds > 0) jobs.push({ everyMs: statesEverySeconds * 1000, run: () => watch.states() });
    if (translations) jobs.push({ everyMs: FOLLOW_MS, run: follow(ctx) });
    schedule(ctx, jobs);
  },
});

interface Job {
  readonly everyMs: number;
  run(): void | Promise<void>;
}

/** Runs each job soon, one after the other, and then at its own pace: on a busy machine setup must not wait for them. */
function schedule(ctx: Context, jobs: readonly Job[]): void {
  const due = new Map<Job, number>();
  const tick = Math.min(...jobs.map(({ everyMs }) => everyMs));
  ctx.every(tick, async () => {
    for (const job of jobs) {
      const now = performance.now();
      if (now < (due.get(job) ?? 0)) continue;
      due.set(job, now + job.everyMs - tick / 2);
      await job.run();
    }
  });
}

async function showTimeouts(ctx: Context): Promise<void> {
  const { conntrack_timeout_seconds: gauge } = ctx.metrics;
  const found = await readTimeouts();
  gauge.clear();
  for (const { protocol, state, seconds } of found) gauge.set(seconds, ctx.label(protocol), ctx.label(state));
}

/** Follows translated connections; a kernel that refuses costs that, and nothing else. Gives what is to be done every second. */
function follow(ctx: Context): () => Promise<void> {
  const { metrics: all, translations } = ctx;
  const event = (name: string) => {
    const label = ctx.label(name);
    return () => all.conntrack_translation_events_total.add(1, label);
  };
  const followed = new Followed(ctx.netlink, translations, {
    begun: event('begun'),
    ended: event('ended'),
    noRoom: event('no_room'),
    lost: (times) => all.conntrack_translation_events_lost_total.add(times),
    bad: () => all.conntrack_bad_messages_total.add(1, ctx.label('connection')),
    read: (outcome) => all.conntrack_translation_readings_total.add(1, ctx.label(outcome)),
  });
  try {
    followed.subscribe();
  } catch (error) {
    ctx.degrade(RetinaError.from(error, 'RETINA_NETLINK_FAILED', 'Translated connections (NAT) are not followed'));
    return () => Promise.resolve();
  }
  ctx.defer(() => translations.endOlder(Infinity));
  return async () => {
    await followed.check();
    all.conntrack_translations.set(translations.size);
  };
}

/** Turns the state of the table into metrics and warnings. */
class TableWatch {
  private readonly ctx: Context;
  private readonly reader: TableReader;
  private readonly deltas = new Deltas();
  private first = true;
  private entries = 0;
  private absent: Disposable | undefined;
  private readonly warned = new Map<string, number>();

  constructor(ctx: Context) {
    this.ctx = ctx;
    this.reader = new TableReader(ctx.netlink, () => this.bad('statistics'));
  }

  async read(): Promise<void> {
    const state = await this.reader.read();
    if (state) this.show(state);
    else this.missing();
  }

  /** Counts the entries by state, where there are few enough of them. */
  async states(): Promise<void> {
    const { ctx } = this;
    const { conntrack_state_entries: byState, conntrack_translated_entries: byTranslation } = ctx.metrics;
    const outcome = (name: string) => ctx.metrics.conntrack_state_readings_total.add(1, ctx.label(name));
    if (this.absent) return;
    if (this.entries > ctx.config.statesUpTo) {
      byState.clear();
      byTranslation.clear();
      return outcome('too_many');
    }
    const count = new StateCount();
    try {
      const request = { family: NetlinkFamily.NETFILTER, type: Message.GET, flags: DUMP, payload: payload() };
      const { interrupted } = await ctx.netlink.request(request, (messages) => {
        for (const { type, payload: bytes } of messages) {
          const entry = type === Message.NEW ? readEntry(bytes) : undefined;
          if (entry) count.add(entry);
          else this.bad('connection');
        }
      });
      outcome(interrupted ? 'interrupted' : 'complete');
    } catch (error) {
      outcome('failed');
      return ctx.log.debug('the connection table cannot be read', { error: String(error) });
    }
    byState.clear();
    for (const row of count.byState.values()) {
      byState.set(row.count, ctx.label(row.family), ctx.label(row.protocol), ctx.label(row.state));
    }
    for (const [kind, value] of Object.entries(count.byTranslation)) byTranslation.set(value, ctx.label(kind));
  }

  private show({ entries, limit, byCpu }: TableState): void {
    const { ctx } = this;
    this.absent?.[Symbol.dispose]();
    this.absent = undefined;
    this.entries = entries;
    ctx.metrics.conntrack_entries.set(entries);
    ctx.metrics.conntrack_entries_limit.set(limit);
    if (limit > 0) {
      const ratio = entries / limit; // a limit of 0 is none
      ctx.metrics.conntrack_fill_ratio.set(ratio);
      if (ratio >= ctx.config.warnAtRatio) {
        const next = 'raise net.netfilter.nf_conntrack_max before new connections are dropped';
        this.warn('fill', 'the connection table is nearly full', { entries, limit, next });
      }
    }
    this.deltas.take(byCpu).forEach((added, i) => {
      const [, , name] = STATISTICS[i]!;
      ctx.metrics[name].add(added);
      const next = LOSSES[name];
      if (next && added > 0 && !this.first)
        this.warn(name, 'the connection table refuses connections', { [name]: added, next });
    });
    this.first = false;
  }

  private missing(): void {
    const { ctx } = this;
    const { conntrack_entries, conntrack_entries_limit, conntrack_fill_ratio } = ctx.metrics;
    for (const gauge of [conntrack_entries, conntrack_entries_limit, conntrack_fill_ratio]) gauge.clear();
    this.absent ??= ctx.degrade(
      this.reader.refused ??
        new RetinaError('RETINA_KERNEL_UNSUPPORTED', 'The kernel tracks no connections here', {
          found: 'neither an answer over netlink nor /proc/sys/net/netfilter/nf_conntrack_count',
          needed: 'the module nf_conntrack, which the first rule that needs it loads',
          next: 'leave it: the table is looked for again at every reading',
        }),
    );
  }

  private warn(what: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    const now = Date.now();
    if (now - (this.warned.get(what) ?? -Infinity) < WARN_EVERY_MS) return;
    this.warned.set(what, now);
    this.ctx.log.warn(message, fields);
  }

  private bad(kind: string): void {
    this.ctx.metrics.conntrack_bad_messages_total.add(1, this.ctx.label(kind));
  }
}
