import {
  Direction,
  type Endpoint,
  type EndpointReader,
  FLOW_OFFSETS,
  FLOW_STRIDE,
  type FlowBatch,
  Reply,
  TCP_FLAGS,
  Verdict,
} from '@retina/sdk';
import { type AttributeWriter, type Block, type Key, key } from './attribute-writer.ts';
import type { FlowTotals } from './flow-totals.ts';
import { clean } from './points.ts';

/** Where names of a flow come from. */
export interface FlowTexts {
  readonly endpoints: EndpointReader;
  labelText(id: number): string;
}

/** What records are added up by; `none`: each stands alone, with its details. */
export type Aggregate = 'none' | 'connection' | 'workload';

const TRANSPORTS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp', 132: 'sctp' };
const VERDICTS = ['unknown', 'forwarded', 'dropped'];
const EVENTS = ['update', 'start', 'end', 'reset', 'expired'];
const OBSERVATIONS = ['from_endpoint', 'to_endpoint', 'from_network', 'to_network', 'host'];
const DIRECTIONS: Readonly<Record<number, string>> = { [Direction.INGRESS]: 'receive', [Direction.EGRESS]: 'transmit' };

const K = {
  sourceAddress: key('source.address'),
  destinationAddress: key('destination.address'),
  sourcePort: key('source.port'),
  destinationPort: key('destination.port'),
  serverPort: key('server.port'),
  transport: key('network.transport'),
  type: key('network.type'),
  verdict: key('retina.verdict'),
  observation: key('retina.observation'),
  direction: key('network.io.direction'),
  isReply: key('retina.is_reply'),
  dropReason: key('retina.drop.reason'),
  dropLocation: key('retina.drop.location'),
  event: key('retina.event'),
  ifindex: key('retina.interface.index'),
  sampling: key('retina.sampling'),
  reason: key('retina.reason'),
  policies: key('retina.policies'),
  dnsName: key('dns.question.name'),
  dnsType: key('dns.question.type'),
  dnsResponse: key('dns.response'),
  dnsCode: key('dns.response.code'),
  dnsAnswers: key('dns.answers'),
  dnsLatency: key('retina.dns.latency_us'),
  duration: key('retina.flow.duration_us'),
  bytes: key('retina.flow.bytes'),
  packets: key('retina.flow.packets'),
  records: key('retina.flow.records'),
  retransmits: key('retina.tcp.retransmits'),
  rtt: key('retina.tcp.rtt_us'),
} as const;
const FLAGS = TCP_FLAGS.map((flag) => key(`retina.tcp.flags.${flag.toLowerCase()}`));

interface EndKeys {
  readonly block: Block;
  readonly ownerBlock: Block;
  readonly name: Key;
  readonly node: Key;
  readonly service: Key;
  readonly type: Key;
  readonly namespace: Key;
  readonly zone: Key;
  readonly ownerName: Key;
  readonly ownerType: Key;
}
const endKeys = (end: 'src' | 'dst'): EndKeys => ({
  block: end,
  ownerBlock: `${end}Owner`,
  name: key(`k8s.${end}.name`),
  node: key(`k8s.${end}.node.name`),
  service: key(`k8s.${end}.service`),
  type: key(`k8s.${end}.type`),
  namespace: key(`k8s.${end}.namespace`),
  zone: key(`${end}.zone`),
  ownerName: key(`k8s.${end}.owner.name`),
  ownerType: key(`k8s.${end}.owner.type`),
});
const SRC = endKeys('src');
const DST = endKeys('dst');

const verdictText = (verdict: number): string => VERDICTS[verdict] ?? 'unknown';
const transportText = (protocol: number): string => TRANSPORTS[protocol] ?? `protocol-${protocol}`;

/** What a record's text begins with. */
export const title = (protocol: number, verdict: number): string =>
  `${transportText(protocol)} ${verdictText(verdict)}: `;

/** Who and which way: what stays the same when records are added up. */
export function writeIdentity(
  out: AttributeWriter,
  batch: FlowBatch,
  row: number,
  by: Aggregate,
  texts: FlowTexts,
): void {
  const workload = by === 'workload';
  if (!workload) {
    // Where they stand: a view of each would be what is collected most.
    const at = row * FLOW_STRIDE;
    out.address(K.sourceAddress, batch.buffer, at + FLOW_OFFSETS.sourceAddress);
    out.address(K.destinationAddress, batch.buffer, at + FLOW_OFFSETS.destinationAddress);
  }
  writeTerms(out, batch, row);
  if (batch.verdict(row) === Verdict.DROPPED) {
    out.text(K.dropReason, clean(texts.labelText(batch.dropReason(row))));
    const location = batch.dropLocation(row);
    if (location !== 0) out.text(K.dropLocation, clean(texts.labelText(location)));
  }
  const ports = hasPorts(batch.protocol(row));
  if (ports && workload) {
    // The responder's port: the destination's, unless this is the way back.
    const back = batch.isReply(row) === Reply.YES;
    out.number(K.serverPort, back ? batch.sourcePort(row) : batch.destinationPort(row));
  } else if (ports) {
    out.number(K.sourcePort, batch.sourcePort(row));
    out.number(K.destinationPort, batch.destinationPort(row));
  }
  writeEnd(out, SRC, texts.endpoints.byId(batch.sourceEndpoint(row)), workload);
  writeEnd(out, DST, texts.endpoints.byId(batch.destinationEndpoint(row)), workload);
}

/** What is one of few words each; together they are one of few hundred combinations. */
function writeTerms(out: AttributeWriter, batch: FlowBatch, row: number): void {
  const protocol = batch.protocol(row);
  const verdict = batch.verdict(row);
  const observation = batch.observation(row);
  const way = batch.direction(row);
  const reply = batch.isReply(row);
  const six = batch.family(row) === 6;
  const id = (((protocol * 256 + verdict) * 256 + observation) * 256 + way) * 256 + reply + (six ? 2 ** 40 : 0);
  if (out.recall('terms', id, undefined)) return;
  out.text(K.transport, transportText(protocol));
  out.text(K.type, six ? 'ipv6' : 'ipv4');
  out.text(K.verdict, verdictText(verdict));
  out.text(K.observation, OBSERVATIONS[observation] ?? 'host');
  const direction = DIRECTIONS[way];
  if (direction) out.text(K.direction, direction);
  if (reply !== Reply.UNKNOWN) out.flag(K.isReply, reply === Reply.YES);
  out.remember('terms', id, undefined);
}

function writeEnd(out: AttributeWriter, keys: EndKeys, endpoint: Endpoint, ownerOnly: boolean): void {
  if (endpoint.kind === 'unknown') return;
  const block = ownerOnly ? keys.ownerBlock : keys.block;
  if (out.recall(block, endpoint.id, endpoint)) return;
  if (!ownerOnly) {
    if (endpoint.name) out.text(keys.name, clean(endpoint.name));
    if (endpoint.node) out.text(keys.node, clean(endpoint.node));
    if (endpoint.service) out.text(keys.service, clean(endpoint.service));
  }
  const [owner] = endpoint.workloads;
  out.text(keys.type, endpoint.kind);
  if (endpoint.namespace) out.text(keys.namespace, clean(endpoint.namespace));
  if (endpoint.zone) out.text(keys.zone, clean(endpoint.zone));
  out.text(keys.ownerName, clean(owner?.name ?? endpoint.name));
  if (owner) out.text(keys.ownerType, clean(owner.kind));
  out.remember(block, endpoint.id, endpoint);
}

/** What only a record alone has: why it was written, and what hangs off it. */
export function writeDetails(out: AttributeWriter, batch: FlowBatch, row: number): void {
  out.text(K.event, EVENTS[batch.event(row)] ?? 'update');
  if (batch.ifindex(row) !== 0) out.number(K.ifindex, batch.ifindex(row));
  if (batch.sampling(row) > 1) out.number(K.sampling, batch.sampling(row));
  const details = batch.details(row);
  if (!details) return;
  if (details.reason !== undefined) out.text(K.reason, clean(details.reason));
  const { dns, policies } = details;
  if (policies) {
    const names = policies.slice(0, 16).map((p) => clean(`${p.kind} ${p.namespace ?? ''}/${p.name}`));
    out.texts(K.policies, names);
  }
  if (!dns) return;
  out.text(K.dnsName, clean(dns.query));
  out.text(K.dnsType, clean(dns.queryType));
  out.flag(K.dnsResponse, dns.response);
  if (dns.responseCode !== undefined) out.text(K.dnsCode, clean(dns.responseCode));
  if (dns.addresses) out.texts(K.dnsAnswers, dns.addresses.slice(0, 32).map(clean));
  if (Number.isFinite(dns.latencyMs)) out.number(K.dnsLatency, Math.round(dns.latencyMs! * 1000));
}

/** How much. Whole numbers all: a number with a fraction travels as another type than one without. */
export function writeTotals(out: AttributeWriter, totals: FlowTotals): void {
  out.number(K.duration, Math.max(0, Math.round((totals.end - totals.start) * 1000)));
  out.number(K.bytes, totals.bytes);
  out.number(K.packets, totals.packets);
  if (totals.records > 1) out.number(K.records, totals.records);
  if (totals.retransmits > 0) out.number(K.retransmits, totals.retransmits);
  if (totals.rttMicros > 0) out.number(K.rtt, totals.rttMicros);
  for (let flag = 0; flag < FLAGS.length; flag++) {
    const count = totals.flags[flag]!;
    if (count > 0) out.number(FLAGS[flag]!, count);
  }
}

/** That records are missing. */
export function writeLoss(
  out: AttributeWriter,
  lost: { readonly total: number; readonly causes: Readonly<Record<string, number>> },
): void {
  out.number(key('retina.lost.records'), lost.total);
  for (const [cause, records] of Object.entries(lost.causes)) out.number(key(`retina.lost.${cause}`), records);
}

function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132;
}
