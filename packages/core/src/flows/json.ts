import {
  Direction,
  type Endpoint,
  type FlowAddressJson,
  type FlowBatch,
  type FlowEndpointJson,
  type FlowEvent,
  type FlowJson,
  Observation,
  Reply,
  TCP_FLAGS,
  Verdict,
} from '@retina/sdk';
import { formatAddress, formatWords } from '../identity/address.ts';
import { detailsJson } from './details-json.ts';
import type { NatEnd, NatEnds } from './nat.ts';

export type { FlowAddressJson, FlowEndpointJson, FlowJson, TranslatedJson } from '@retina/sdk';

/** Where names come from. */
export interface FlowNames {
  /** Also of endpoints that are gone, where the flow is old. */
  endpoint(id: number): Endpoint;
  label(id: number): string;
  interfaceName?(ifindex: number): string | undefined;
  readonly nodeName?: string;
  /** What DNS answers called an address. */
  addressNames?(address: Uint8Array): readonly string[];
  /** What the node is known to translate, and who is behind an address now. */
  readonly translations?: {
    of(batch: FlowBatch, row: number): NatEnds | undefined;
    endpoint(words: NatEnd['words']): Endpoint;
  };
}

const VERDICTS = ['VERDICT_UNKNOWN', 'FORWARDED', 'DROPPED'] as const;
const DIRECTIONS = ['TRAFFIC_DIRECTION_UNKNOWN', 'INGRESS', 'EGRESS'] as const;
const OBSERVATIONS = ['FROM_ENDPOINT', 'TO_ENDPOINT', 'FROM_NETWORK', 'TO_NETWORK', 'HOST'] as const;
const EVENTS = ['update', 'start', 'end', 'reset', 'expired'] as const satisfies Record<
  (typeof FlowEvent)[keyof typeof FlowEvent],
  string
>;
/** Names of transport protocols as keys of `l4`; others are `protocol-N`. */
export const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'ICMPv4',
  6: 'TCP',
  17: 'UDP',
  58: 'ICMPv6',
  132: 'SCTP',
};

/** One record as an object. Costs strings: for the edge only. */
export function flowJson(batch: FlowBatch, row: number, names: FlowNames): FlowJson {
  const dropped = batch.verdict(row) === Verdict.DROPPED;
  const ifindex = batch.ifindex(row);
  const reply = batch.isReply(row);
  const details = batch.details(row);
  const source = names.endpoint(batch.sourceEndpoint(row));
  const destination = names.endpoint(batch.destinationEndpoint(row));
  const interfaceName =
    ifindex === 0 || batch.observation(row) === Observation.HOST ? undefined : names.interfaceName?.(ifindex);
  return {
    time: time(batch.end(row)),
    start_time: time(batch.start(row)),
    first_seen: time(batch.firstSeen(row)),
    verdict: VERDICTS[batch.verdict(row)] ?? 'VERDICT_UNKNOWN',
    ...(dropped && { drop_reason_desc: names.label(batch.dropReason(row)) }),
    ...(dropped && batch.dropLocation(row) !== 0 && { drop_location: names.label(batch.dropLocation(row)) }),
    IP: {
      source: formatAddress(batch.sourceAddress(row)),
      destination: formatAddress(batch.destinationAddress(row)),
      ipVersion: batch.family(row) === 6 ? 'IPv6' : 'IPv4',
    },
    l4: transport(batch, row),
    source: describe(source),
    destination: describe(destination),
    ...named('source_names', source, batch.sourceAddress(row), names),
    ...named('destination_names', destination, batch.destinationAddress(row), names),
    ...translated(batch, row, names),
    Type: details?.dns ? 'L7' : 'L3_L4',
    ...(names.nodeName && { node_name: names.nodeName }),
    traffic_direction: DIRECTIONS[batch.direction(row)] ?? DIRECTIONS[Direction.UNKNOWN],
    trace_observation_point: OBSERVATIONS[batch.observation(row)] ?? 'HOST',
    ...(reply !== Reply.UNKNOWN && { is_reply: reply === Reply.YES }),
    event: EVENTS[batch.event(row)] ?? 'update',
    ...(ifindex !== 0 && { interface: { index: ifindex, ...(interfaceName && { name: interfaceName }) } }),
    ...(batch.netns(row) !== 0 && { netns: batch.netns(row) }),
    packets: batch.packets(row),
    bytes: batch.bytes(row),
    ...(batch.tcpFlags(row) !== 0 && { tcp_flag_counts: flagCounts(batch, row) }),
    ...(batch.rttMicros(row) !== 0 && { rtt_us: batch.rttMicros(row) }),
    ...(batch.minRttMicros(row) !== 0 && { min_rtt_us: batch.minRttMicros(row) }),
    ...(batch.setupMicros(row) !== 0 && { setup_us: batch.setupMicros(row) }),
    ...(batch.retransmits(row) !== 0 && { retransmits: batch.retransmits(row) }),
    ...(batch.sampling(row) !== 1 && { sampling: batch.sampling(row) }),
    ...(details && detailsJson(details)),
  };
}

/** Hints for an end that is none of the cluster's or the host's. */
function named(
  key: 'source_names' | 'destination_names',
  { kind }: Endpoint,
  address: Uint8Array,
  names: FlowNames,
): { readonly [K in typeof key]?: readonly string[] } {
  if (kind !== 'unknown' && kind !== 'world') return {};
  const known = names.addressNames?.(address) ?? [];
  return known.length > 0 ? { [key]: known } : {};
}

function transport(batch: FlowBatch, row: number): FlowJson['l4'] {
  const protocol = batch.protocol(row);
  const name = PROTOCOLS[protocol] ?? `protocol-${protocol}`;
  if (protocol === 1 || protocol === 58) return { [name]: { type: batch.icmpType(row), code: batch.icmpCode(row) } };
  if (!(protocol in PROTOCOLS)) return { [name]: {} };
  const ports = { source_port: batch.sourcePort(row), destination_port: batch.destinationPort(row) };
  if (protocol !== 6) return { [name]: ports };
  const seen = TCP_FLAGS.filter((flag, bit) => flag !== 'SYNACK' && batch.tcpFlags(row) & (1 << bit));
  if (batch.tcpFlags(row) & (1 << TCP_FLAGS.indexOf('SYNACK'))) seen.push('SYN', 'ACK');
  return { [name]: { ...ports, flags: Object.fromEntries(seen.map((flag) => [flag, true])) } };
}

function translated(
  batch: FlowBatch,
  row: number,
  names: FlowNames,
): Pick<FlowJson, 'translated_to' | 'translated_from'> {
  const { translations } = names;
  const ends = translations?.of(batch, row);
  if (!translations || !ends) return {};
  const other = (end: NatEnd, word: (i: number) => number, port: number): FlowAddressJson | undefined =>
    end.port === port && end.words.every((value, i) => value === word(i))
      ? undefined
      : { address: formatWords(...end.words), port: end.port, ...describe(translations.endpoint(end.words)) };
  const source = other(ends.source, (i) => batch.sourceWord(row, i), batch.sourcePort(row));
  const destination = other(ends.destination, (i) => batch.destinationWord(row, i), batch.destinationPort(row));
  const changed = { ...(source && { source }), ...(destination && { destination }) };
  return ends.before ? { translated_to: changed } : { translated_from: changed };
}

function flagCounts(batch: FlowBatch, row: number): Record<string, number> {
  const counts = TCP_FLAGS.map((flag, i) => [flag, batch.flagCount(row, i)] as const);
  return Object.fromEntries(counts.filter(([, n]) => n > 0));
}

function describe(endpoint: Endpoint): FlowEndpointJson {
  const labels = Object.entries(endpoint.labels).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
  return {
    kind: endpoint.kind,
    ...(endpoint.namespace && { namespace: endpoint.namespace }),
    ...(endpoint.name && { pod_name: endpoint.name }),
    ...(labels.length > 0 && { labels }),
    ...(endpoint.workloads.length > 0 && { workloads: endpoint.workloads }),
    ...(endpoint.zone && { zone: endpoint.zone }),
  };
}

function time(ms: number): string {
  return new Date(Number.isFinite(ms) ? ms : 0).toISOString();
}
