import type { FlowEndpointJson } from '@retina/sdk';
import type { LogRecord } from './record.ts';

/** One flat object of short members; what is not known is left out. */
export function compact(record: LogRecord): object {
  const [[proto, ports] = ['', {}] as const] = Object.entries(record.l4);
  const { rtt_us, retransmits, sampling, node_name, dns, reason, aggregate, translated_to } = record;
  const to = translated_to?.destination;
  return {
    time: record.time,
    verdict: record.verdict,
    ...(record.drop_reason_desc !== undefined && { drop_reason: record.drop_reason_desc }),
    ...side('src', record.source, record.IP?.source, ports['source_port']),
    ...side('dst', record.destination, record.IP?.destination, ports['destination_port']),
    ...(to && { dst_backend: `${to.pod_name ? [to.namespace, to.pod_name].filter(Boolean).join('/') : to.address}:${to.port}` }),
    proto,
    ...(ports['flags'] !== undefined && { flags: Object.keys(ports['flags'] as object).join(',') }),
    ...(ports['type'] !== undefined && { icmp: `${ports['type'] as number}/${ports['code'] as number}` }),
    dir: record.traffic_direction === 'INGRESS' ? 'in' : record.traffic_direction === 'EGRESS' ? 'out' : 'unknown',
    at: record.trace_observation_point,
    ...(record.is_reply !== undefined && { reply: record.is_reply }),
    packets: record.packets,
    bytes: record.bytes,
    ...(rtt_us !== undefined && { rtt_us }),
    ...(retransmits !== undefined && { retransmits }),
    ...(sampling !== undefined && { sampling }),
    ...(dns && { dns: `${dns.query_type}${dns.response ? '' : '?'} ${dns.query}`, ...(dns.response_code && { rcode: dns.response_code }) }),
    ...(reason !== undefined && { reason }),
    ...(aggregate && { flows: Object.values<number>({ ...aggregate }).reduce((sum, n) => sum + n, 0) }),
    ...(node_name !== undefined && { node: node_name }),
  }; // prettier-ignore
}

function side(key: 'src' | 'dst', end: FlowEndpointJson, address: string | undefined, port: unknown): object {
  const [workload] = end.workloads ?? [];
  const name = end.pod_name && (end.namespace ? `${end.namespace}/${end.pod_name}` : end.pod_name);
  return {
    ...(name ? { [key]: name } : address === undefined && !workload && { [key]: end.kind }),
    ...(workload && { [`${key}_workload`]: [end.namespace, workload.kind, workload.name].filter(Boolean).join('/') }),
    ...(address !== undefined && { [`${key}_ip`]: address }),
    ...(port !== undefined && { [`${key}_port`]: port }),
  };
}
