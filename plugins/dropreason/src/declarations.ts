import { z } from 'zod';

/** What the configuration may say. */
export const config = z.strictObject({
  netns: z
    .enum(['all', 'own'])
    .optional()
    .describe(
      "Network namespaces to count drops in: all of this kernel's, or only the agent's own. Default: kernelEvents.namespaces.",
    ),
  countNoLoss: z.boolean().default(false).describe('Count as drops also what the kernel frees without a loss.'),
  intervalMs: z
    .int()
    .min(20)
    .max(60_000)
    .default(80)
    .describe('Milliseconds between two drains of dropped flows; at least 1000 while there are many.'),
  maxFlows: z
    .int()
    .min(64)
    .max(262_144)
    .default(8192)
    .describe('Dropped flows kept per interval; beyond it drops count in the totals only.'),
  samplesPerSecond: z
    .int()
    .min(0)
    .max(1000)
    .default(5)
    .describe(
      'Dropped packets whose headers go into the flow log, for each reason and place, ten times as many in all; 0: none.',
    ),
  rulesEverySeconds: z
    .int()
    .min(0)
    .max(3600)
    .default(10)
    .describe('Seconds between two readings of what the rules of nf_tables drop (nft, iptables-nft); 0: none.'),
  chains: z
    .boolean()
    .default(false)
    .describe(
      'Name the chain that dropped a packet in flow records. Costs every packet at every base chain; needs fentry.',
    ),
});
export type Config = z.output<typeof config>;

const PODS = { scope: 'pod', labels: ['reason'], direction: true } as const;
/** What it counts. */
export const metrics = {
  drop_count: { kind: 'counter', help: 'Packets dropped, by reason and direction.', labels: ['reason', 'direction'] },
  drop_bytes: {
    kind: 'counter', unit: 'bytes', help: 'Bytes of dropped packets from the IP header on, by reason and direction.',
    labels: ['reason', 'direction'],
  }, // prettier-ignore
  drop_unattributed_packets_total: {
    kind: 'counter', help: 'Dropped packets that are in no flow record, by cause.', labels: ['cause'],
  }, // prettier-ignore
  drop_unattributed_bytes_total: {
    kind: 'counter', unit: 'bytes', help: 'Bytes of dropped packets that are in no flow record, by cause.', labels: ['cause'],
  }, // prettier-ignore
  drop_location_packets_total: {
    kind: 'counter', help: 'Packets dropped, by the kernel function that dropped them and reason.', labels: ['location', 'reason'],
    maxSeries: 1000,
  }, // prettier-ignore
  drop_samples_total: {
    kind: 'counter', help: 'Headers of dropped packets that became flow records, were no loss, or were lost.', labels: ['outcome'],
  }, // prettier-ignore
  drop_unsampled_packets_total: { kind: 'counter', help: 'Dropped packets of which no sample was taken.' },
  drop_netfilter_packets_total: {
    kind: 'counter', help: 'Packets that rules and policies of nf_tables dropped, where they have a counter.',
    labels: ['family', 'table', 'chain', 'rule'], maxSeries: 2000,
  }, // prettier-ignore
  drop_netfilter_bytes_total: {
    kind: 'counter', unit: 'bytes', help: 'Bytes that rules and policies of nf_tables dropped, where they have a counter.',
    labels: ['family', 'table', 'chain', 'rule'], maxSeries: 2000,
  }, // prettier-ignore
  drop_netfilter_rules: {
    kind: 'gauge',
    help: 'Rules and policies of nf_tables that drop, with a counter and without.',
    labels: ['counter'],
  },
  drop_netfilter_readings_total: {
    kind: 'counter',
    help: 'Readings of the rules of nf_tables, by outcome.',
    labels: ['outcome'],
  },
  drop_netfilter_bad_messages_total: { kind: 'counter', help: 'Messages about rules that could not be read.' },
  adv_drop_count: { kind: 'counter', option: 'drop_count', help: 'Packets dropped, by reason and endpoint.', ...PODS },
  adv_drop_bytes: {
    kind: 'counter', unit: 'bytes', option: 'drop_bytes', help: 'Bytes of dropped packets, by reason and endpoint.', ...PODS,
  }, // prettier-ignore
} as const;
