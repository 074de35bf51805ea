import type { Config } from './config.ts';
import { type FlowBatch, type FlowSourceStats, type Instruments, TCP_FLAGS, Verdict } from '@retina/sdk';

const FORWARD = { kind: 'counter', scope: 'pod', direction: true, additional: ['is_reply'] } as const;

export const metrics = {
  adv_forward_count: { ...FORWARD, option: 'forward_count', help: 'Packets forwarded, by endpoint and direction.' },
  adv_forward_bytes: {
    ...FORWARD,
    option: 'forward_bytes',
    unit: 'bytes',
    help: 'Bytes on the wire forwarded, by endpoint and direction.',
  },
  adv_tcpflags_count: {
    kind: 'counter',
    scope: 'pod',
    option: 'tcp_flag_gauges',
    labels: ['flag'],
    help: 'TCP packets forwarded, by flag and endpoint.',
  },
  conntrack_packets_tx: { kind: 'gauge', help: 'Packets from the initiators of the connections that are open.' },
  conntrack_packets_rx: { kind: 'gauge', help: 'Packets from the responders of the connections that are open.' },
  conntrack_bytes_tx: {
    kind: 'gauge',
    unit: 'bytes',
    help: 'Bytes from the initiators of the connections that are open.',
  },
  conntrack_bytes_rx: {
    kind: 'gauge',
    unit: 'bytes',
    help: 'Bytes from the responders of the connections that are open.',
  },
  conntrack_total_connections: { kind: 'gauge', help: 'Connections that are open.' },
  flow_unattributed_packets_total: {
    kind: 'counter',
    help: 'Packets seen at the taps that are in no flow, by cause: what could not be parsed, and tables that were full.',
    labels: ['cause'],
  },
  flow_unattributed_bytes_total: {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of packets seen at the taps that are in no flow, by cause.',
    labels: ['cause'],
  },
  flow_table_flows: { kind: 'gauge', help: 'Flows known now.' },
  flow_table_max_flows: { kind: 'gauge', help: 'Most flows that can be known.' },
  flow_table_memory_bytes: { kind: 'gauge', unit: 'bytes', help: 'Memory of the flow table.' },
  flow_ring_fill_ratio: { kind: 'gauge', unit: 'ratio', help: 'Highest fill of a CPU’s record ring since start.' },
  flow_ring_records_total: { kind: 'counter', help: 'Records read from the kernel’s rings and spill maps.' },
  flow_ring_spilled_records_total: {
    kind: 'counter',
    help: 'Records that found the ring full and came by the spill maps.',
  },
  flow_socket_updates_lost_total: { kind: 'counter', help: 'Updates of sockets that found their table full.' },
} as const;

export type Metrics = Instruments<typeof metrics>;

/** Pod-level counts of flow records. A packet with SYN and ACK counts as SYNACK and as neither of the two. */
export class FlowCounts {
  private readonly metrics: Metrics;
  private readonly flags: readonly number[];

  constructor(all: Metrics, label: (text: string) => number) {
    this.metrics = all;
    this.flags = TCP_FLAGS.map(label);
  }

  /** Counts a batch that has passed the host's identity stage. */
  add(batch: FlowBatch): void {
    const { adv_forward_count, adv_forward_bytes, adv_tcpflags_count } = this.metrics;
    const { flags } = this;
    for (let row = 0; row < batch.length; row++) {
      // a record that only says that the flow ended counts nothing, and one that nobody chose for nobody
      if (batch.verdict(row) !== Verdict.FORWARDED || batch.packets(row) === 0 || batch.aside(row)) continue;
      adv_forward_count.add(batch.packets(row), batch, row);
      adv_forward_bytes.add(batch.bytes(row), batch, row);
      if (batch.tcpFlags(row) === 0) continue;
      for (let flag = 0; flag < flags.length; flag++) {
        const count = batch.flagCount(row, flag);
        if (count > 0) adv_tcpflags_count.add(count, batch, row, flags[flag]!);
      }
    }
  }
}

/** Shows the state of the flow source: what it holds, and what it could not. Counts of connections are scaled by the sampling rate. */
export function showSource(
  all: Metrics,
  stats: FlowSourceStats,
  { enableConntrackMetrics, dataSamplingRate }: Pick<Config, 'enableConntrackMetrics' | 'dataSamplingRate'>,
  label: (text: string) => number,
): void {
  for (const causes of [stats.unparsed, stats.unattributed]) {
    for (const [cause, { packets, bytes }] of Object.entries(causes)) {
      all.flow_unattributed_packets_total.set(packets, label(cause));
      all.flow_unattributed_bytes_total.set(bytes, label(cause));
    }
  }
  all.flow_table_flows.set(stats.flows);
  all.flow_table_max_flows.set(stats.maxFlows);
  all.flow_table_memory_bytes.set(stats.memoryBytes);
  all.flow_ring_fill_ratio.set(stats.ringFill);
  all.flow_ring_records_total.set(stats.records);
  all.flow_ring_spilled_records_total.set(stats.spilled);
  if (!enableConntrackMetrics) return;
  all.conntrack_packets_tx.set(stats.forwardPackets * dataSamplingRate);
  all.conntrack_packets_rx.set(stats.replyPackets * dataSamplingRate);
  all.conntrack_bytes_tx.set(stats.forwardBytes * dataSamplingRate);
  all.conntrack_bytes_rx.set(stats.replyBytes * dataSamplingRate);
  all.conntrack_total_connections.set(stats.connections);
}
