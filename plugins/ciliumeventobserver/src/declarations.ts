import { z } from 'zod';

/** Kinds of events that become flow records, by Cilium's names. */
const KINDS = ['drop', 'trace', 'policy-verdict', 'capture', 'l7'] as const;

/** What the configuration may say. */
export const config = z.strictObject({
  monitorSockPath: z
    .string()
    .min(1)
    .max(107)
    .default('/var/run/cilium/monitor1_2.sock')
    .describe("Path of the Cilium agent's monitor socket; at most 107 bytes, as the kernel has it."),
  policySockPath: z
    .string()
    .max(107)
    .default('/var/run/cilium/cilium.sock')
    .describe(
      "Path of the socket of the Cilium agent's API, asked for the names of policies (GET only); empty: not asked.",
    ),
  events: z
    .array(z.enum(KINDS))
    .min(1)
    .default([...KINDS])
    .describe('Kinds of events that become flow records; the others are counted only.'),
  reconnectMs: z
    .int()
    .min(10)
    .max(60_000)
    .default(1000)
    .describe('Milliseconds before the first attempt to connect again; doubled with each that fails.'),
  reconnectMaxMs: z
    .int()
    .min(10)
    .max(600_000)
    .default(30_000)
    .describe('Milliseconds between two attempts at most. It never gives up.'),
});
export type Config = z.output<typeof config>;

/** What it counts: its own work. Packets are counted by the taps and by `dropreason`, once. */
export const metrics = {
  cilium_connected: { kind: 'gauge', help: "1 while Cilium's monitor socket is connected, else 0." },
  cilium_disconnects_total: {
    kind: 'counter', help: 'Connections that ended and attempts that failed, by cause.', labels: ['cause'],
  }, // prettier-ignore
  cilium_events_total: { kind: 'counter', help: 'Events read from the monitor socket, by type.', labels: ['type'] },
  cilium_flow_records_total: { kind: 'counter', help: 'Events that became flow records, by type.', labels: ['type'] },
  cilium_events_unused_total: {
    kind: 'counter', help: 'Events that became no flow record, by type and cause.', labels: ['type', 'cause'],
  }, // prettier-ignore
  cilium_events_lost_total: {
    kind: 'counter', help: "Events Cilium says were lost in the kernel's ring before its agent read them.",
  }, // prettier-ignore
  cilium_policy_lookups_total: {
    kind: 'counter', help: 'Policy verdicts whose policy was looked up in the agent, by result.', labels: ['result'],
  }, // prettier-ignore
  cilium_messages_skipped_total: {
    kind: 'counter', help: 'Messages of the monitor socket that could not be read, by cause.', labels: ['cause'],
  }, // prettier-ignore
} as const;
