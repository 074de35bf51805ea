import type { Attributes } from '@opentelemetry/api';
import { Direction, type Endpoint, type EndpointReader, type FlowBatch, Reply, Verdict } from '@retina/sdk';
import { clean } from './points.ts';

/** Where names of a flow come from. */
export interface FlowTexts {
  readonly endpoints: EndpointReader;
  labelText(id: number): string;
}

const TRANSPORTS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp', 132: 'sctp' };
const VERDICTS = ['unknown', 'forwarded', 'dropped'];
const EVENTS = ['update', 'start', 'end', 'reset', 'expired'];
const OBSERVATIONS = ['from_endpoint', 'to_endpoint', 'from_network', 'to_network', 'host'];
const DIRECTIONS: Readonly<Record<number, string>> = { [Direction.INGRESS]: 'receive', [Direction.EGRESS]: 'transmit' };

export const verdictText = (batch: FlowBatch, row: number): string => VERDICTS[batch.verdict(row)] ?? 'unknown';
export const transportText = (protocol: number): string => TRANSPORTS[protocol] ?? `protocol-${protocol}`;

/** Who and which way: what stays the same when records of a connection are added up. */
export function connectionAttributes(batch: FlowBatch, row: number, texts: FlowTexts): Attributes {
  const attributes: Attributes = {
    'source.address': address(batch.sourceAddress(row)),
    'destination.address': address(batch.destinationAddress(row)),
    ...sharedAttributes(batch, row, texts),
  };
  if (hasPorts(batch.protocol(row))) {
    attributes['source.port'] = batch.sourcePort(row);
    attributes['destination.port'] = batch.destinationPort(row);
  }
  const source = texts.endpoints.byId(batch.sourceEndpoint(row));
  const destination = texts.endpoints.byId(batch.destinationEndpoint(row));
  endpointAttributes(attributes, 'src', source);
  endpointAttributes(attributes, 'dst', destination);
  return attributes;
}

/** The same with workloads instead of pods and addresses, and with the server's port only. */
export function workloadAttributes(batch: FlowBatch, row: number, texts: FlowTexts): Attributes {
  const attributes = sharedAttributes(batch, row, texts);
  const port = serverPort(batch, row);
  if (port !== undefined) attributes['server.port'] = port;
  ownerAttributes(attributes, 'src', texts.endpoints.byId(batch.sourceEndpoint(row)));
  ownerAttributes(attributes, 'dst', texts.endpoints.byId(batch.destinationEndpoint(row)));
  return attributes;
}

function sharedAttributes(batch: FlowBatch, row: number, texts: FlowTexts): Attributes {
  const attributes: Attributes = {
    'network.transport': transportText(batch.protocol(row)),
    'network.type': batch.family(row) === 6 ? 'ipv6' : 'ipv4',
    'retina.verdict': verdictText(batch, row),
    'retina.observation': OBSERVATIONS[batch.observation(row)] ?? 'host',
  };
  const direction = DIRECTIONS[batch.direction(row)];
  if (direction) attributes['network.io.direction'] = direction;
  if (batch.isReply(row) !== Reply.UNKNOWN) attributes['retina.is_reply'] = batch.isReply(row) === Reply.YES;
  if (batch.verdict(row) === Verdict.DROPPED) {
    attributes['retina.drop.reason'] = clean(texts.labelText(batch.dropReason(row)));
    const location = batch.dropLocation(row);
    if (location !== 0) attributes['retina.drop.location'] = clean(texts.labelText(location));
  }
  return attributes;
}

/** What only a record alone has: why it was written, and what hangs off it. */
export function detailAttributes(attributes: Attributes, batch: FlowBatch, row: number): void {
  attributes['retina.event'] = EVENTS[batch.event(row)] ?? 'update';
  if (batch.ifindex(row) !== 0) attributes['retina.interface.index'] = batch.ifindex(row);
  if (batch.sampling(row) > 1) attributes['retina.sampling'] = batch.sampling(row);
  const details = batch.details(row);
  if (!details) return;
  if (details.reason !== undefined) attributes['retina.reason'] = clean(details.reason);
  const { dns, policies } = details;
  if (policies)
    attributes['retina.policies'] = policies.slice(0, 16).map((p) => clean(`${p.kind} ${p.namespace ?? ''}/${p.name}`));
  if (!dns) return;
  attributes['dns.question.name'] = clean(dns.query);
  attributes['dns.question.type'] = clean(dns.queryType);
  attributes['dns.response'] = dns.response;
  if (dns.responseCode !== undefined) attributes['dns.response.code'] = clean(dns.responseCode);
  if (dns.addresses) attributes['dns.answers'] = dns.addresses.slice(0, 32).map(clean);
  if (Number.isFinite(dns.latencyMs)) attributes['retina.dns.latency_us'] = Math.round(dns.latencyMs! * 1000);
}

function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132;
}

/** The responder's port: the destination's, unless this is the way back. */
function serverPort(batch: FlowBatch, row: number): number | undefined {
  if (!hasPorts(batch.protocol(row))) return undefined;
  return batch.isReply(row) === Reply.YES ? batch.sourcePort(row) : batch.destinationPort(row);
}

function endpointAttributes(attributes: Attributes, end: 'src' | 'dst', endpoint: Endpoint): void {
  if (endpoint.kind === 'unknown') return;
  if (endpoint.name) attributes[`k8s.${end}.name`] = clean(endpoint.name);
  if (endpoint.node) attributes[`k8s.${end}.node.name`] = clean(endpoint.node);
  if (endpoint.service) attributes[`k8s.${end}.service`] = clean(endpoint.service);
  ownerAttributes(attributes, end, endpoint);
}

function ownerAttributes(attributes: Attributes, end: 'src' | 'dst', endpoint: Endpoint): void {
  if (endpoint.kind === 'unknown') return;
  const [owner] = endpoint.workloads;
  attributes[`k8s.${end}.type`] = endpoint.kind;
  if (endpoint.namespace) attributes[`k8s.${end}.namespace`] = clean(endpoint.namespace);
  if (endpoint.zone) attributes[`${end}.zone`] = clean(endpoint.zone);
  attributes[`k8s.${end}.owner.name`] = clean(owner?.name ?? endpoint.name);
  if (owner) attributes[`k8s.${end}.owner.type`] = clean(owner.kind);
}

/** RFC 5952 text of 16 bytes, IPv4 without its prefix. */
export function address(bytes: Uint8Array): string {
  if (isMapped(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = { at: -1, length: 1 }; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > best.length) best = { at: i, length: n };
    i += n;
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.at < 0) return text(groups);
  return `${text(groups.slice(0, best.at))}::${text(groups.slice(best.at + best.length))}`;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}
