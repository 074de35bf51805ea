import { z } from 'zod';

const pattern = z.string().min(1).max(64);

/** What the configuration may say. */
export const config = z.strictObject({
  intervalMs: z.int().min(100).max(600_000).default(10_000).describe('Milliseconds between two readings.'),
  maxSockets: z
    .int()
    .min(0)
    .max(10_000_000)
    .default(500_000)
    .describe('TCP sockets beyond which the socket table is not read, so that the states are not reported; 0: never read it.'),
  remotes: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe('Remote addresses reported on their own, those with the most TCP connections first.'),
  perInterface: z.boolean().default(false).describe('Report the statistics of each interface beside their sum.'),
  includeInterfaces: z.array(pattern).default(['*']).describe('Interfaces whose driver is asked; * and ? as in file names.'),
  excludeInterfaces: z
    .array(pattern)
    .default(['*lo*', '*cbr0*', '*lxc*', '*azv*'])
    .describe('Interfaces left out of those.'),
  interfaceStatistics: z
    .array(pattern)
    .default(['*err*', '*drop*'])
    .describe('Driver statistics reported; * and ? as in file names.'),
  moreStatistics: z
    .array(z.string().regex(/^[A-Za-z][A-Za-z0-9]*\.[A-Za-z][A-Za-z0-9]*$/))
    .max(500)
    .default([
      'Tcp.AttemptFails', 'Tcp.EstabResets', 'Tcp.InErrs', 'Tcp.OutRsts', 'Tcp.RetransSegs', 'TcpExt.ListenOverflows',
      'Udp.InErrors', 'Udp.NoPorts', 'Udp.RcvbufErrors', 'Udp.SndbufErrors', 'Udp6.InErrors', 'Udp6.NoPorts',
      'Udp6.RcvbufErrors', 'Udp6.SndbufErrors', 'Ip.InDiscards', 'Ip.OutDiscards', 'Ip.OutNoRoutes', 'Ip.ReasmFails',
      'Ip6.InDiscards', 'Ip6.OutDiscards', 'Ip6.OutNoRoutes', 'Ip6.ReasmFails',
    ])
    .describe('Statistics of netstat, snmp and snmp6 reported in protocol_stats_total, as Protocol.Name.'),
  procNet: z.string().startsWith('/').default('/proc/self/net').describe("Where the network namespace's tables are."),
}); // prettier-ignore
export type Config = z.output<typeof config>;

const NAMED = ['statistic_name'] as const;

/** What it reports. */
export const metrics = {
  tcp_state: { kind: 'gauge', help: 'TCP sockets of both families, by state.', labels: ['state'] },
  tcp_sockets: { kind: 'gauge', help: 'TCP sockets, by state and family of the socket.', labels: ['state', 'family'] },
  tcp_connection_remote: {
    kind: 'gauge', help: 'TCP connections by remote address, loopback left out; AllIPs: all of them.', labels: ['address'], maxSeries: 1002,
  },
  tcp_connection_stats: { kind: 'counter', help: 'What TCP and MPTCP dropped or had to repeat, by statistic of the kernel.', labels: NAMED },
  ip_connection_stats: { kind: 'counter', help: 'What IP dropped, by statistic of the kernel.', labels: NAMED },
  udp_connection_stats: { kind: 'gauge', help: 'UDP sockets of both families: ACTIVE are those bound to a port.', labels: NAMED },
  interface_stats: {
    kind: 'counter', help: 'Errors and drops, as the drivers of the interfaces count them.',
    labels: ['interface_name', 'statistic_name'], maxSeries: 10_000,
  },
  protocol_stats_total: {
    kind: 'counter', help: 'Statistics of the protocols, as netstat -s knows them.', labels: ['protocol', 'statistic_name'], maxSeries: 1000,
  },
  linuxutil_unsupported_interfaces: { kind: 'gauge', help: 'Interfaces whose driver keeps no statistics and is not asked again.' },
  linuxutil_read_errors_total: {
    kind: 'counter', help: 'Readings that gave nothing or not all, by source and cause.', labels: ['source', 'cause'],
  },
} as const; // prettier-ignore
