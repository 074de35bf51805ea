import type { FlowAddressJson, FlowEndpointJson, FlowJson } from '@retina/sdk';

/** Longest text in a column: texts from packets are cut. */
const LONGEST_TEXT = 1024;

type Cell = string | number | boolean | readonly string[] | undefined;
export type Row = Readonly<Record<string, Cell>>;

/** A flow record as a row of the table `RetinaFlows_CL`; `azure/table.json` declares the same columns. */
export function rowOf(flow: FlowJson, cluster: string | undefined): Row {
  const [protocol = '', l4 = {}] = Object.entries(flow.l4)[0] ?? [];
  const { dns } = flow;
  return {
    TimeGenerated: flow.time,
    StartTime: flow.start_time,
    Node: flow.node_name,
    Cluster: cluster,
    Verdict: flow.verdict,
    DropReason: clean(flow.drop_reason_desc),
    DropLocation: clean(flow.drop_location),
    Direction: flow.traffic_direction,
    Observation: flow.trace_observation_point,
    IsReply: flow.is_reply,
    Event: flow.event,
    IpVersion: flow.IP.ipVersion,
    Protocol: protocol,
    ...end('Source', flow.source, flow.IP.source, portOf(l4['source_port']), flow.source_names),
    ...end(
      'Destination',
      flow.destination,
      flow.IP.destination,
      portOf(l4['destination_port']),
      flow.destination_names,
    ),
    TranslatedTo: translated(flow.translated_to?.destination ?? flow.translated_to?.source),
    Interface: flow.interface?.name,
    Packets: flow.packets,
    Bytes: flow.bytes,
    TcpFlags: flow.tcp_flag_counts && Object.keys(flow.tcp_flag_counts).join(' '),
    RttMs: flow.rtt_us === undefined ? undefined : flow.rtt_us / 1000,
    Retransmits: flow.retransmits,
    Sampling: flow.sampling,
    DnsQuery: clean(dns?.query),
    DnsType: clean(dns?.query_type),
    DnsResponseCode: clean(dns?.response_code),
    DnsAnswers: dns?.addresses?.slice(0, 32),
    DnsLatencyMs: dns?.latency_ms,
    Reason: clean(flow.reason),
  };
}

function end(
  prefix: string,
  endpoint: FlowEndpointJson,
  ip: string,
  port: number | undefined,
  names: readonly string[] = [],
): Row {
  const [workload] = endpoint.workloads ?? [];
  return {
    [`${prefix}Ip`]: ip,
    [`${prefix}Port`]: port,
    [`${prefix}Kind`]: endpoint.kind,
    [`${prefix}Namespace`]: clean(endpoint.namespace),
    [`${prefix}Pod`]: clean(endpoint.pod_name),
    [`${prefix}Workload`]: clean(workload?.name),
    [`${prefix}WorkloadKind`]: clean(workload?.kind),
    [`${prefix}Zone`]: clean(endpoint.zone),
    [`${prefix}Name`]: clean(names[0]),
  };
}

function translated(end: FlowAddressJson | undefined): string | undefined {
  if (!end) return undefined;
  return end.address.includes(':') ? `[${end.address}]:${end.port}` : `${end.address}:${end.port}`;
}

function portOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function clean(text: string | undefined): string | undefined {
  return text?.slice(0, LONGEST_TEXT).toWellFormed();
}
