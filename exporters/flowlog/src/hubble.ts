import type { DnsJson, FlowEndpointJson, PolicyDetails } from '@retina/sdk';
import type { LogRecord } from './record.ts';

/** Numbers of Cilium's monitor messages that Hubble's `event_type.type` shows. */
const MESSAGE = { DROP: 1, TRACE: 4, L7: 129 } as const;
/** Numbers of Cilium's trace points that Hubble's `event_type.sub_type` shows. */
const TRACE_POINT: Readonly<Record<string, number>> = {
  TO_ENDPOINT: 0,
  FROM_ENDPOINT: 5,
  FROM_NETWORK: 10,
  TO_NETWORK: 11,
};
const TRANSPORTS = new Set(['TCP', 'UDP', 'ICMPv4', 'ICMPv6', 'SCTP']);
/** The kernel's and Retina's reasons that Hubble has a word for; it has none for others, which are told in `Summary`. */
const DROP_REASONS: Readonly<Record<string, string>> = {
  POLICY_DENIED: 'POLICY_DENIED',
  POLICY_DENY: 'POLICY_DENY',
  IPTABLE_RULE_DROP: 'POLICY_DENIED',
  NETFILTER_DROP: 'POLICY_DENIED',
  IPTABLE_NAT_DROP: 'SNAT_NO_MAP_FOUND',
  CONNTRACK_ADD_DROP: 'UNKNOWN_CONNECTION_TRACKING_STATE',
}; // prettier-ignore
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** A record with nothing but what Hubble's flow schema has, in its JSON form: enumerations by name, 64-bit numbers as text. */
export function strictFlow(record: LogRecord, version: string): object {
  const { time, verdict, IP, is_reply, dns, drop_reason_desc, node_name, aggregate } = record;
  const dropped = verdict === 'DROPPED';
  const point = record.trace_observation_point;
  return {
    time,
    verdict,
    ...(IP && { IP }),
    ...(l4(record) && { l4: l4(record) }),
    source: endpoint(record.source),
    destination: endpoint(record.destination),
    Type: record.Type,
    ...(node_name !== undefined && { node_name }),
    ...(record.source_names && { source_names: record.source_names }),
    ...(record.destination_names && { destination_names: record.destination_names }),
    ...(dns && { l7: l7(dns) }),
    event_type: dropped
      ? { type: MESSAGE.DROP }
      : dns
        ? { type: MESSAGE.L7 }
        : { type: MESSAGE.TRACE, ...(TRACE_POINT[point] && { sub_type: TRACE_POINT[point] }) },
    ...service('source_service', record.source),
    ...service('destination_service', record.destination),
    traffic_direction: record.traffic_direction,
    ...(point !== 'HOST' && { trace_observation_point: point }),
    ...(dropped && { drop_reason_desc: DROP_REASONS[drop_reason_desc ?? ''] ?? 'DROP_REASON_UNKNOWN' }),
    ...(is_reply !== undefined && { is_reply }),
    ...(record.interface && { interface: record.interface }),
    ...policies(record),
    ...(aggregate && { aggregate }),
    emitter: { name: 'Retina', version },
    Summary: summary(record),
  };
}

function l4({ l4: all }: LogRecord): object | undefined {
  const [name = '', fields = {}] = Object.entries(all)[0] ?? [];
  if (!TRANSPORTS.has(name)) return undefined;
  const { flags, ...ports } = fields as { flags?: Record<string, boolean> };
  return { [name]: { ...ports, ...(flags && Object.keys(flags).length > 0 && { flags }) } };
}

function endpoint({ namespace, labels, pod_name, workloads, kind }: FlowEndpointJson): object {
  const reserved = kind === 'pod' || kind === 'service' ? undefined : RESERVED[kind];
  const own = labels?.map((label) => `k8s:${label}`) ?? [];
  return {
    ...(reserved !== undefined && { identity: reserved.identity }),
    ...(namespace !== undefined && { namespace }),
    ...((own.length > 0 || reserved) && { labels: reserved ? [`reserved:${reserved.name}`, ...own] : own }),
    ...(pod_name !== undefined && kind === 'pod' && { pod_name }),
    ...(workloads && { workloads }),
  };
}

/** Identities that are Cilium's own. */
const RESERVED: Readonly<Record<string, { readonly identity: number; readonly name: string }>> = {
  host: { identity: 1, name: 'host' },
  world: { identity: 2, name: 'world' },
  unknown: { identity: 2, name: 'world' },
  node: { identity: 6, name: 'remote-node' },
  'api-server': { identity: 7, name: 'kube-apiserver' },
};

function service(key: 'source_service' | 'destination_service', end: FlowEndpointJson): object {
  if (end.kind !== 'service' || end.pod_name === undefined) return {};
  return { [key]: { name: end.pod_name, ...(end.namespace !== undefined && { namespace: end.namespace }) } };
}

function l7(dns: DnsJson): object {
  const code = RCODES.indexOf(dns.response_code ?? '');
  return {
    type: dns.response ? 'RESPONSE' : 'REQUEST',
    ...(dns.latency_ms !== undefined && { latency_ns: String(Math.round(dns.latency_ms * 1e6)) }),
    dns: {
      query: dns.query === '.' ? '.' : `${dns.query}.`,
      ...(dns.addresses && { ips: dns.addresses }),
      ...(dns.ttl !== undefined && { ttl: dns.ttl }),
      ...(dns.cnames && { cnames: dns.cnames }),
      ...(code > 0 && { rcode: code }),
      qtypes: [dns.query_type],
    },
  };
}

function policies({ policies: all, traffic_direction, verdict }: LogRecord): object {
  if (!all || all.length === 0 || traffic_direction === 'TRAFFIC_DIRECTION_UNKNOWN') return {};
  const side = traffic_direction === 'INGRESS' ? 'ingress' : 'egress';
  const what = verdict === 'DROPPED' ? 'denied' : 'allowed';
  return { [`${side}_${what}_by`]: all.map(({ kind, namespace, name }: PolicyDetails) => ({ name, ...(namespace !== undefined && { namespace }), kind })) }; // prettier-ignore
}

/** What Hubble's command line prints behind the verdict. */
function summary({ l4: all, drop_reason_desc, dns }: LogRecord): string {
  if (drop_reason_desc !== undefined) return drop_reason_desc;
  if (dns) return `DNS ${dns.response ? 'Answer' : 'Query'} ${dns.query} ${dns.query_type}${dns.response_code ? ` ${dns.response_code}` : ''}`;
  const [name = '', fields = {}] = Object.entries(all)[0] ?? [];
  const flags = Object.keys((fields['flags'] as object | undefined) ?? {});
  return name === 'TCP' && flags.length > 0 ? `TCP Flags: ${flags.join(', ')}` : name;
} // prettier-ignore
