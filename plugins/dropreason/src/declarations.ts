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
    .default(100)
    .describe('Milliseconds between two drains of dropped flows; at least 1000 while there are many.'),
  maxFlows: z
    .int()
    .min(64)
    .max(262_144)
    .default(8192)
    .describe('Dropped flows kept per interval; beyond it drops count in the totals only.'),
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
  adv_drop_count: { kind: 'counter', option: 'drop_count', help: 'Packets dropped, by reason and endpoint.', ...PODS },
  adv_drop_bytes: {
    kind: 'counter', unit: 'bytes', option: 'drop_bytes', help: 'Bytes of dropped packets, by reason and endpoint.', ...PODS,
  }, // prettier-ignore
} as const;
