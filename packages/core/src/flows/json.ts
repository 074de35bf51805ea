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

/** A record as it is put together. */
type Draft = { -readonly [K in keyof FlowJson]?: FlowJson[K] };

/** One record as an object. Costs strings: for the edge only. What records have in common is shared between them: not to be changed. */
export function flowJson(batch: FlowBatch, row: number, names: FlowNames): FlowJson {
  const ifindex = batch.ifindex(row);
  const reply = batch.isReply(row);
  const details = batch.details(row);
  const source = names.endpoint(batch.sourceEndpoint(row));
  const destination = names.endpoint(batch.destinationEndpoint(row));
  // Written member by member: objects spread into one take twice as long, and this is done for every record that is logged.
  const json: Draft = {
    time: time(batch.end(row)),
    start_time: time(batch.start(row)),
    first_seen: time(batch.firstSeen(row)),
    verdict: VERDICTS[batch.verdict(row)] ?? 'VERDICT_UNKNOWN',
  };
  if (batch.verdict(row) === Verdict.DROPPED) {
    json.drop_reason_desc = names.label(batch.dropReason(row));
    if (batch.dropLocation(row) !== 0) json.drop_location = names.label(batch.dropLocation(row));
  }
  json.IP = {
    source: formatAddress(batch.sourceAddress(row)),
    destination: formatAddress(batch.destinationAddress(row)),
    ipVersion: batch.family(row) === 6 ? 'IPv6' : 'IPv4',
  };
  json.l4 = transport(batch, row);
  json.source = describe(source);
  json.destination = describe(destination);
  const sourceNames = hints(source, batch.sourceAddress(row), names);
  if (sourceNames) json.source_names = sourceNames;
  const destinationNames = hints(destination, batch.destinationAddress(row), names);
  if (destinationNames) json.destination_names = destinationNames;
  translated(json, batch, row, names);
  json.Type = details?.dns ? 'L7' : 'L3_L4';
  if (names.nodeName) json.node_name = names.nodeName;
  json.traffic_direction = DIRECTIONS[batch.direction(row)] ?? DIRECTIONS[Direction.UNKNOWN];
  json.trace_observation_point = OBSERVATIONS[batch.observation(row)] ?? 'HOST';
  if (reply !== Reply.UNKNOWN) json.is_reply = reply === Reply.YES;
  json.event = EVENTS[batch.event(row)] ?? 'update';
  if (ifindex !== 0) {
    const name = batch.observation(row) === Observation.HOST ? undefined : names.interfaceName?.(ifindex);
    json.interface = name ? { index: ifindex, name } : { index: ifindex };
  }
  if (batch.netns(row) !== 0) json.netns = batch.netns(row);
  json.packets = batch.packets(row);
  json.bytes = batch.bytes(row);
  if (batch.tcpFlags(row) !== 0) json.tcp_flag_counts = flagCounts(batch, row);
  if (batch.rttMicros(row) !== 0) json.rtt_us = batch.rttMicros(row);
  if (batch.minRttMicros(row) !== 0) json.min_rtt_us = batch.minRttMicros(row);
  if (batch.setupMicros(row) !== 0) json.setup_us = batch.setupMicros(row);
  if (batch.retransmits(row) !== 0) json.retransmits = batch.retransmits(row);
  if (batch.sampling(row) !== 1) json.sampling = batch.sampling(row);
  if (details) Object.assign(json, detailsJson(details));
  return json as FlowJson;
}

/** Names for an end that is none of the cluster's or the host's. */
function hints({ kind }: Endpoint, address: Uint8Array, names: FlowNames): readonly string[] | undefined {
  if (kind !== 'unknown' && kind !== 'world') return undefined;
  const known = names.addressNames?.(address) ?? [];
  return known.length > 0 ? known : undefined;
}

function transport(batch: FlowBatch, row: number): FlowJson['l4'] {
  const protocol = batch.protocol(row);
  const name = PROTOCOLS[protocol] ?? `protocol-${protocol}`;
  if (protocol === 1 || protocol === 58) return { [name]: { type: batch.icmpType(row), code: batch.icmpCode(row) } };
  if (!(protocol in PROTOCOLS)) return { [name]: {} };
  const source_port = batch.sourcePort(row);
  const destination_port = batch.destinationPort(row);
  if (protocol !== 6) return { [name]: { source_port, destination_port } };
  return { [name]: { source_port, destination_port, flags: flagsOf(batch.tcpFlags(row)) } };
}

type Flags = Readonly<Record<string, true>>;

/** By bits, of which there are 1024. */
const FLAGS = new Map<number, Flags>();
const SYNACK = TCP_FLAGS.indexOf('SYNACK');

function flagsOf(bits: number): Flags {
  let flags = FLAGS.get(bits);
  if (flags) return flags;
  const seen = TCP_FLAGS.filter((flag, bit) => flag !== 'SYNACK' && bits & (1 << bit));
  if (bits & (1 << SYNACK)) seen.push('SYN', 'ACK');
  flags = Object.fromEntries(seen.map((flag) => [flag, true as const]));
  if (FLAGS.size < 1024) FLAGS.set(bits, flags);
  return flags;
}

function translated(json: Draft, batch: FlowBatch, row: number, names: FlowNames): void {
  const { translations } = names;
  const ends = translations?.of(batch, row);
  if (!translations || !ends) return;
  const other = (end: NatEnd, word: (i: number) => number, port: number): FlowAddressJson | undefined =>
    end.port === port && end.words.every((value, i) => value === word(i))
      ? undefined
      : { address: formatWords(...end.words), port: end.port, ...describe(translations.endpoint(end.words)) };
  const source = other(ends.source, (i) => batch.sourceWord(row, i), batch.sourcePort(row));
  const destination = other(ends.destination, (i) => batch.destinationWord(row, i), batch.destinationPort(row));
  const changed = { ...(source && { source }), ...(destination && { destination }) };
  json[ends.before ? 'translated_to' : 'translated_from'] = changed;
}

function flagCounts(batch: FlowBatch, row: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < TCP_FLAGS.length; i++) {
    const n = batch.flagCount(row, i);
    if (n > 0) counts[TCP_FLAGS[i]!] = n;
  }
  return counts;
}

/** What was made of an endpoint; a changed one is another object. */
const DESCRIBED = new WeakMap<Endpoint, FlowEndpointJson>();

function describe(endpoint: Endpoint): FlowEndpointJson {
  let described = DESCRIBED.get(endpoint);
  if (described) return described;
  const labels = Object.entries(endpoint.labels).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
  described = {
    kind: endpoint.kind,
    ...(endpoint.namespace && { namespace: endpoint.namespace }),
    ...(endpoint.name && { pod_name: endpoint.name }),
    ...(labels.length > 0 && { labels }),
    ...(endpoint.workloads.length > 0 && { workloads: endpoint.workloads }),
    ...(endpoint.zone && { zone: endpoint.zone }),
  };
  DESCRIBED.set(endpoint, described);
  return described;
}

/** Seconds as text: many records lie in few of them. */
const SECONDS = new Map<number, string>();
const MAX_SECONDS = 4096;
const LAST_SECOND = 8_640_000_000_000; // of what a Date can be, either way

function time(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (!(Math.abs(second) < LAST_SECOND)) return new Date(0).toISOString();
  let text = SECONDS.get(second);
  if (text === undefined) {
    if (SECONDS.size >= MAX_SECONDS) SECONDS.clear();
    SECONDS.set(second, (text = new Date(second * 1000).toISOString().slice(0, -4)));
  }
  return `${text}${String(Math.floor(ms - second * 1000)).padStart(3, '0')}Z`;
}
