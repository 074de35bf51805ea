import { z } from 'zod';

/** What the configuration may say. */
export const config = z.strictObject({
  intervalMs: z.int().min(100).max(60_000).default(1000).describe('Milliseconds between two reports.'),
  maxFlows: z
    .int()
    .min(64)
    .max(262_144)
    .default(4096)
    .describe('Connections that retransmit, kept per interval; what others retransmit counts in the node totals only.'),
  maxFollowed: z
    .int()
    .min(64)
    .max(1_048_576)
    .default(16_384)
    .describe('Open connections that have retransmitted, followed for retransmissions that were not needed.'),
  flowRecords: z
    .boolean()
    .default(false)
    .describe(
      'Write a flow record for what a connection retransmits. Leave it off beside packetparser, whose records say so.',
    ),
});
export type Config = z.output<typeof config>;

/** By the numbers of `enum retrans_kind`. */
export const KINDS = ['syn', 'synack', 'timeout', 'slow_start', 'fast', 'loss_probe'] as const;
/** The number that stands for no retransmission, but for one that turned out not to have been needed. */
export const SPURIOUS = KINDS.length;

/** What it counts. */
export const metrics = {
  adv_tcpretrans_count: {
    kind: 'counter', scope: 'pod', option: 'tcp_retransmission_count', direction: true,
    help: 'TCP segments sent again, by endpoint.',
  }, // prettier-ignore
  adv_tcp_retransmitted_segments_total: {
    kind: 'counter', scope: 'pod', option: 'tcp_retransmission_kind', labels: ['kind'],
    help: 'TCP segments sent again, by what made the kernel do it and endpoint.',
  }, // prettier-ignore
  adv_tcp_spurious_retransmissions_total: {
    kind: 'counter', scope: 'pod', option: 'tcp_spurious_retransmission_count',
    help: 'TCP segments sent again that the peer says it had already, by endpoint.',
  }, // prettier-ignore
  tcp_retransmitted_segments_total: {
    kind: 'counter', help: 'TCP segments sent again, by what made the kernel do it.', labels: ['kind'],
  }, // prettier-ignore
  tcp_spurious_retransmissions_total: {
    kind: 'counter', help: 'TCP segments sent again that the peer says it had already (DSACK).',
  }, // prettier-ignore
  tcp_retransmissions_not_sent_total: {
    kind: 'counter', help: 'Attempts to send a TCP segment again that sent nothing; kernels before 6.17 do not tell.',
  }, // prettier-ignore
  tcp_retransmissions_unattributed_total: {
    kind: 'counter', labels: ['cause'],
    help: 'TCP segments sent again that are counted for no endpoint, or not at all, by cause.',
  }, // prettier-ignore
} as const;
