import { z } from 'zod';

/** What the configuration may say. */
export const config = z.strictObject({
  intervalMs: z
    .int()
    .min(100)
    .max(300_000)
    .default(5000)
    .describe('Milliseconds between two readings of how full the table is and of what it refused.'),
  statesEverySeconds: z
    .int()
    .min(0)
    .max(3600)
    .default(30)
    .describe('Seconds between two counts of the entries by protocol and state; 0: none.'),
  statesUpTo: z
    .int()
    .min(0)
    .max(1_048_576)
    .default(32_768)
    .describe('Entries in the table above which they are not counted by state: every entry has to be read for it.'),
  warnAtRatio: z
    .number()
    .min(0.1)
    .max(1)
    .default(0.9)
    .describe('Fill of the table, entries by its limit, from which on the log warns.'),
  translations: z
    .boolean()
    .default(true)
    .describe(
      'Follow which connections the kernel translates (NAT), and name the ends before and after in flow records.',
    ),
});
export type Config = z.output<typeof config>;

/** Counters of the kernel's per-CPU statistics: attribute, column in /proc/net/stat/nf_conntrack, family, meaning. */
export const STATISTICS = [
  [9, 'insert_failed', 'conntrack_insert_failed_total', 'Entries that found their place taken, or a chain too long: their packets were dropped.'],
  [10, 'drop', 'conntrack_drop_total', 'Packets dropped since the table was full, or since their entry could not be inserted.'],
  [11, 'early_drop', 'conntrack_early_drop_total', 'Entries thrown out early to make room in a full table.'],
  [5, 'invalid', 'conntrack_invalid_total', 'Packets that belong to no connection and begin none: state INVALID.'],
  [12, 'icmp_error', 'conntrack_error_total', 'ICMP errors that could not be tracked.'],
  [13, 'search_restart', 'conntrack_search_restart_total', 'Searches begun again since the table was resized meanwhile.'],
  [14, 'clashres', 'conntrack_clash_resolve_total', 'Entries that found their place taken by an equal one, and were merged with it.'],
  [15, 'chainlength', 'conntrack_chain_toolong_total', 'Entries refused since their hash chain was too long (Linux 5.15 and later).'],
] as const; // prettier-ignore

const refused = Object.fromEntries(STATISTICS.map(([, , name, help]) => [name, { kind: 'counter', help }])) as Readonly<
  Record<(typeof STATISTICS)[number][2], { readonly kind: 'counter'; readonly help: string }>
>;

/** What it counts. */
export const metrics = {
  conntrack_entries: { kind: 'gauge', help: 'Entries in the connection table of the agent’s network namespace.' },
  conntrack_entries_limit: { kind: 'gauge', help: 'Most entries the kernel allows (nf_conntrack_max).' },
  conntrack_fill_ratio: { kind: 'gauge', unit: 'ratio', help: 'Entries by their limit: at 1 new connections are dropped.' },
  ...refused,
  conntrack_state_entries: {
    kind: 'gauge', help: 'Entries by address family, protocol and state.', labels: ['family', 'protocol', 'state'], maxSeries: 512,
  },
  conntrack_translated_entries: {
    kind: 'gauge', help: 'Entries whose source, destination or both are translated.', labels: ['translation'],
  },
  conntrack_state_readings_total: {
    kind: 'counter', help: 'Counts of entries by state: read, interrupted, skipped since the table is too large, or failed.', labels: ['outcome'],
  },
  conntrack_timeout_seconds: {
    kind: 'gauge', unit: 'seconds', help: 'How long the kernel keeps a silent entry, by protocol and state.', labels: ['protocol', 'state'], maxSeries: 128,
  },
  conntrack_translation_events_total: {
    kind: 'counter', help: 'Translated connections the kernel told of: begun, ended, or without room for them.', labels: ['event'],
  },
  conntrack_translation_events_lost_total: {
    kind: 'counter', help: 'Times the kernel had to drop such messages; everything is read anew after each.',
  },
  conntrack_translation_readings_total: {
    kind: 'counter', help: 'Readings of all translated connections, by outcome.', labels: ['outcome'],
  },
  conntrack_translations: { kind: 'gauge', help: 'Translated connections known, those that ended a moment ago included.' },
  conntrack_bad_messages_total: {
    kind: 'counter', help: 'Messages of the kernel that could not be read, by kind.', labels: ['kind'],
  },
} as const; // prettier-ignore
