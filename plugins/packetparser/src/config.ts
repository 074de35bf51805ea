import { z } from 'zod';

const milliseconds = (least: number, most: number) => z.int().min(least).max(most);

/** `dataAggregationLevel`, `dataSamplingRate`, `conntrackReportInterval` and `enableConntrackMetrics` bear the original's names. */
export const config = z.strictObject({
  intervalMs: milliseconds(100, 600_000)
    .default(1000)
    .describe('Milliseconds between two records of one changed flow.'),
  drainMs: milliseconds(10, 1000)
    .default(80)
    .describe('Milliseconds between two drains of the kernel’s rings: how late a start, end or reset may be seen.'),
  dataAggregationLevel: z
    .enum(['low', 'high'])
    .default('low')
    .describe(
      'low: a record per changed flow and intervalMs; high: per conntrackReportInterval. Totals are exact either way.',
    ),
  conntrackReportInterval: milliseconds(1000, 600_000)
    .default(30_000)
    .describe('Milliseconds between two records of one changed flow with dataAggregationLevel high.'),
  dataSamplingRate: z
    .int()
    .min(1)
    .max(0xffff_ffff)
    .default(1)
    .describe('Look at one packet in this many; counts are scaled by it and marked as sampled.'),
  enableConntrackMetrics: z.boolean().default(false).describe('Export the conntrack_* gauges.'),
  maxFlows: z.int().min(1024).max(16_777_216).default(262_144).describe('Most flows known at a time.'),
  ringUnits: z
    .int()
    .min(1024)
    .max(1 << 20)
    .refine((units) => (units & (units - 1)) === 0, 'must be a power of two')
    .optional()
    .describe(
      'Records of 32 bytes in the ring of each CPU, a power of two; by default 131072 or, from 5 CPUs on, less.',
    ),
  spillFlows: z
    .int()
    .min(64)
    .max(1_048_576)
    .default(16_384)
    .describe('Flows the kernel keeps apart while a ring is full.'),
  sockets: z.boolean().default(true).describe('Add round-trip time and retransmits of TCP connections on this host.'),
  tcpTimeoutSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(360)
    .describe('A TCP flow is forgotten after so long a silence.'),
  closedTimeoutSeconds: z
    .int()
    .min(1)
    .max(3600)
    .default(30)
    .describe('The same for a TCP flow that both sides closed.'),
  otherTimeoutSeconds: z.int().min(1).max(86_400).default(60).describe('The same for flows of other protocols.'),
});

export type Config = z.output<typeof config>;

/** Units of 32 bytes per CPU: 8 to 64 MiB in all on any machine of up to 128 CPUs. */
export function defaultRingUnits(cpus: number): number {
  if (cpus <= 4) return 131_072;
  if (cpus <= 32) return 65_536;
  return cpus <= 64 ? 32_768 : 16_384;
}
