import type { PolicyDetails } from './flow-details.ts';
import type { FlowBatch } from './flow.ts';

/** A DNS message; its texts are hostile. */
export interface DnsJson {
  readonly id: number;
  readonly response: boolean;
  readonly query: string;
  readonly query_type: string;
  readonly response_code?: string;
  readonly addresses?: readonly string[];
  readonly cnames?: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  readonly answers?: number;
  readonly truncated?: boolean;
  readonly latency_ms?: number;
}

/** What hangs off a flow record beside its numbers. */
export interface FlowDetailsJson {
  readonly dns?: DnsJson;
  readonly policies?: readonly PolicyDetails[];
  readonly reason?: string;
  /** The packet's first bytes, from the network header on, in hexadecimal. */
  readonly packet?: string;
}

/** One end of a flow in the shape of Hubble's JSON, `kind` and `zone` added. */
export interface FlowEndpointJson {
  readonly kind: string;
  readonly namespace?: string;
  readonly pod_name?: string;
  readonly labels?: readonly string[];
  readonly workloads?: readonly { readonly kind: string; readonly name: string }[];
  readonly zone?: string;
}

/** An end of a flow on the other side of this node's address translation. */
export interface FlowAddressJson extends FlowEndpointJson {
  readonly address: string;
  readonly port: number;
}

/** The ends that differ there. */
export interface TranslatedJson {
  readonly source?: FlowAddressJson;
  readonly destination?: FlowAddressJson;
}

/** A flow record in the shape of Hubble's flow JSON, with the counters Hubble lacks. Counters are deltas. */
export interface FlowJson extends FlowDetailsJson {
  /** Last packet of the record; RFC 3339. */
  readonly time: string;
  readonly start_time: string;
  readonly first_seen: string;
  readonly verdict: 'FORWARDED' | 'DROPPED' | 'VERDICT_UNKNOWN';
  readonly drop_reason_desc?: string;
  readonly drop_location?: string;
  readonly IP: { readonly source: string; readonly destination: string; readonly ipVersion: 'IPv4' | 'IPv6' };
  readonly l4: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly source: FlowEndpointJson;
  readonly destination: FlowEndpointJson;
  /** Names that DNS answers gave an end nobody knows, newest first. Hostile, like all text from packets. */
  readonly source_names?: readonly string[];
  readonly destination_names?: readonly string[];
  /** How the packets go on: a service's backend, say. */
  readonly translated_to?: TranslatedJson;
  /** How they came, where the record shows them translated already. */
  readonly translated_from?: TranslatedJson;
  readonly Type: 'L3_L4' | 'L7';
  readonly node_name?: string;
  readonly traffic_direction: 'INGRESS' | 'EGRESS' | 'TRAFFIC_DIRECTION_UNKNOWN';
  readonly trace_observation_point: 'FROM_ENDPOINT' | 'TO_ENDPOINT' | 'FROM_NETWORK' | 'TO_NETWORK' | 'HOST';
  /** Absent where it is not known. */
  readonly is_reply?: boolean;
  readonly event: 'update' | 'start' | 'end' | 'reset' | 'expired';
  readonly interface?: { readonly index: number; readonly name?: string };
  /** Inode of the network namespace. */
  readonly netns?: number;
  readonly packets: number;
  readonly bytes: number;
  readonly tcp_flag_counts?: Readonly<Record<string, number>>;
  /** Smoothed and smallest round-trip time, and from SYN to established, in microseconds. */
  readonly rtt_us?: number;
  readonly min_rtt_us?: number;
  readonly setup_us?: number;
  readonly retransmits?: number;
  /** One of so many packets was looked at; counters are scaled. */
  readonly sampling?: number;
}

/** Terms of a flow filter, as `retina flows` has them. */
export const FLOW_FILTER_KEYS = [
  'pod', 'source-pod', 'destination-pod', 'namespace', 'ip', 'source-ip', 'destination-ip', 'port', 'source-port',
  'destination-port', 'protocol', 'verdict', 'direction', 'drop-reason', 'interface', 'type', 'fqdn', 'since', 'until',
] as const; // prettier-ignore
/** What flow records can be filtered by. */
export type FlowFilterKey = (typeof FLOW_FILTER_KEYS)[number];

/** Values of one key are alternatives, different keys must all hold. */
export type FlowFilterTerms = { readonly [K in FlowFilterKey]?: string | readonly string[] };

/** What may be asked about the record in `row` of a batch. */
export type FlowPredicate = (batch: FlowBatch, row: number) => boolean;

/** Flow records with the names of what they are about. */
export interface FlowReader {
  /** One record as an object; costs strings and about 10 microseconds. Not borrowed: it may be kept. */
  json(batch: FlowBatch, row: number): FlowJson;
  /**
   * Reads the terms once and gives a predicate over records, which costs no strings. Pods are `namespace/name`, `namespace/` or
   * `name`, where the name may be a prefix; addresses may be CIDR prefixes. Throws RETINA_REQUEST_INVALID with the value that is not
   * understood and what would be.
   */
  filter(terms: FlowFilterTerms): FlowPredicate;
}
