import type { PluginContext } from '@retina/sdk';
import { z } from 'zod';

/** What the configuration may say. */
export const config = z.strictObject({
  intervalMs: z.int().min(100).max(60_000).default(1000).describe('Milliseconds between two reports.'),
  roundTripEveryMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(1000)
    .describe(
      'Look at a connection\'s round-trip time once in so many milliseconds while data flows, in steps of 200; 0: only when it ends.',
    ),
  annotateFlows: z.boolean().default(true).describe('Add round-trip and set-up times to the flow records of other plugins.'),
  maxConnections: z
    .int()
    .min(64)
    .max(4_194_304)
    .default(32_768)
    .describe('Open connections whose beginning is remembered; of others the duration is not known.'),
  maxPairs: z
    .int()
    .min(64)
    .max(262_144)
    .default(2048)
    .describe('Pairs of addresses per interval and table; what finds no room is told of the local end alone.'),
}); // prettier-ignore
type Config = z.output<typeof config>;

/** The numbers of `enum health_what`. */
export const What = {
  RTT: 0,
  MIN_RTT: 1,
  SETUP: 2,
  DURATION: 3,
  FAILED: 4,
  CANCELLED: 5,
  RESET_REMOTE: 6,
  RESET_LOCAL: 7,
} as const;
export const WHATS = 8;

/** As the kernel program has them: bucket i holds what is at most 2^(first + i / 2^scale) seconds. */
const RTT = { scale: 1, from: 2 ** -16, to: 2 ** 3 } as const;
const SETUP = { scale: 1, from: 2 ** -16, to: 2 ** 7 } as const;
const DURATION = { scale: 0, from: 2 ** -10, to: 2 ** 17 } as const;
/** Buckets by measure, the one above all bounds included. */
export const BUCKETS = [40, 40, 48, 29] as const;

const TIME = { kind: 'histogram', unit: 'seconds' } as const;
const NODE = { ...TIME, labels: ['direction'] } as const;
const POD = { ...TIME, scope: 'pod', direction: true } as const;
const COUNT = { kind: 'counter' } as const;
const POD_COUNT = { ...COUNT, scope: 'pod' } as const;

const HELP = {
  rtt: 'Smoothed round-trip time of TCP connections: once an interval while data flows, and at the end of each',
  minRtt: 'Smallest round-trip time of TCP connections, at the moments at which the smoothed one is taken',
  setup: 'From SYN to established of TCP connections; where they were accepted, from SYN-ACK',
  duration: 'From established to closed of TCP connections',
} as const;

/** What it counts. `direction` is egress for connections that were opened from here, ingress for those that were accepted. */
export const metrics = {
  tcp_rtt_seconds: { ...NODE, buckets: RTT, help: `${HELP.rtt}.` },
  tcp_min_rtt_seconds: { ...NODE, buckets: RTT, help: `${HELP.minRtt}.` },
  tcp_connection_setup_seconds: { ...NODE, buckets: SETUP, help: `${HELP.setup}.` },
  tcp_connection_duration_seconds: { ...NODE, buckets: DURATION, help: `${HELP.duration}.` },
  tcp_connections_opened_total: { ...COUNT, help: 'TCP connections made from here.' },
  tcp_connections_accepted_total: { ...COUNT, help: 'TCP connections made to here.' },
  tcp_connections_closed_total: { ...COUNT, labels: ['direction'], help: 'TCP connections that ended.' },
  tcp_connections_failed_total: { ...COUNT, labels: ['error'], help: 'TCP connects that came to nothing, by error.' },
  tcp_connections_cancelled_total: { ...COUNT, help: 'TCP connects given up before anything was lost.' },
  tcp_connections_reset_total: { ...COUNT, labels: ['by'], help: 'TCP connections that ended by a reset, by the end that sent it.' },
  tcp_health_unattributed_total: { ...COUNT, labels: ['cause'], help: 'What is missing for want of room or since the kernel left it out, by cause.' },

  adv_tcp_rtt_seconds: { ...POD, option: 'tcp_rtt', buckets: RTT, help: `${HELP.rtt}, by endpoint.` },
  adv_tcp_min_rtt_seconds: { ...POD, option: 'tcp_min_rtt', buckets: RTT, help: `${HELP.minRtt}, by endpoint.` },
  adv_tcp_connection_setup_seconds: { ...POD, option: 'tcp_connection_setup', buckets: SETUP, help: `${HELP.setup}, by endpoint.` },
  adv_tcp_connection_duration_seconds: { ...POD, option: 'tcp_connection_duration', buckets: DURATION, help: `${HELP.duration}, by endpoint.` },
  adv_tcp_connections_opened_total: { ...POD_COUNT, option: 'tcp_connections_opened', help: 'TCP connections made, by the endpoint that made them.' },
  adv_tcp_connections_accepted_total: { ...POD_COUNT, option: 'tcp_connections_accepted', help: 'TCP connections made, by the endpoint they were made to.' },
  adv_tcp_connections_failed_total: { ...POD_COUNT, labels: ['error'], option: 'tcp_connections_failed', help: 'TCP connects that came to nothing, by error and endpoint.' },
  adv_tcp_connections_reset_total: { ...POD_COUNT, labels: ['by'], direction: true, option: 'tcp_connections_reset', help: 'TCP connections that ended by a reset, by the end that sent it and endpoint.' },
} as const; // prettier-ignore

export type Context = PluginContext<Config, typeof metrics>;
