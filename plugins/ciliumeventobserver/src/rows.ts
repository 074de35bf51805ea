import {
  Direction,
  type FlowDetails,
  type FlowValues,
  type PolicyDetails,
  Observation,
  Reply,
  Verdict,
} from '@retina/sdk';
import { EventType, isToProxy, type PacketEvent } from './events.ts';
import {
  authenticationText, Capture, captureText, dropReasonName, ENDPOINT_PROGRAM, matchText, sourceFileName, TraceFrom, TraceReason, traceText,
} from './names.ts'; // prettier-ignore
import type { PacketReader } from './packet.ts';

/** Ids for texts, as a plugin's context gives them. */
export type Label = (text: string) => number;

/** Places in the datapath that get a name of their own; Cilium has a few hundred. */
const MOST_PLACES = 2048;
const FLAGS = 10;

/** What a trace point is in our terms: the tap, and the way the packet goes as Cilium's own metrics have it. */
const POINTS: readonly (readonly [observation: number, direction: number])[] = (() => {
  const points = new Array<readonly [number, number]>(14).fill([Observation.HOST, Direction.UNKNOWN]);
  const { INGRESS, EGRESS } = Direction;
  points[TraceFrom.TO_ENDPOINT] = [Observation.TO_ENDPOINT, INGRESS];
  points[TraceFrom.FROM_ENDPOINT] = [Observation.FROM_ENDPOINT, EGRESS];
  for (const point of [TraceFrom.FROM_NETWORK, TraceFrom.FROM_OVERLAY, TraceFrom.FROM_CRYPTO]) {
    points[point] = [Observation.FROM_NETWORK, INGRESS];
  }
  for (const point of [TraceFrom.TO_NETWORK, TraceFrom.TO_OVERLAY, TraceFrom.TO_CRYPTO]) {
    points[point] = [Observation.TO_NETWORK, EGRESS];
  }
  for (const point of [TraceFrom.TO_HOST, TraceFrom.TO_STACK]) points[point] = [Observation.HOST, EGRESS];
  for (const point of [TraceFrom.FROM_HOST, TraceFrom.FROM_STACK]) points[point] = [Observation.HOST, INGRESS];
  return points;
})();

/** Makes flow records of events. */
export class Rows {
  private readonly label: Label;
  private readonly reasons = new Map<number, number>();
  private readonly places = new Map<number, number>();
  private readonly traceDetails = new Map<number, FlowDetails>();

  constructor(label: Label) {
    this.label = label;
  }

  /** What all records have: the packet's addresses and ports. */
  private base(packet: PacketReader, now: number): FlowValues {
    const { protocol, family, sourcePort, destinationPort, icmpType, icmpCode, tcpFlags } = packet;
    return {
      sourceAddress: packet.source, destinationAddress: packet.destination, firstSeen: now, start: now, end: now,
      sourcePort, destinationPort, protocol, family, icmpType, icmpCode, tcpFlags,
    }; // prettier-ignore
  }

  /** The record of an event and its packet; both are borrowed. */
  of(
    event: PacketEvent,
    packet: PacketReader,
    now: number,
    policy?: PolicyDetails,
  ): readonly [FlowValues, FlowDetails | undefined] {
    const base = this.base(packet, now);
    switch (event.type) {
      case EventType.DROP:
        return this.drop(event, base);
      case EventType.TRACE:
        return this.trace(event, base, packet);
      case EventType.POLICY_VERDICT:
        return this.verdict(event, base, policy);
      default:
        return capture(event, base);
    }
  }

  /** One packet, and the only record of its drop: Cilium does not aggregate drops. */
  private drop(event: PacketEvent, base: FlowValues): readonly [FlowValues, FlowDetails | undefined] {
    let direction: number = event.destination !== 0 ? Direction.INGRESS : Direction.UNKNOWN;
    if (direction === Direction.UNKNOWN && event.file === ENDPOINT_PROGRAM) direction = Direction.EGRESS;
    const values = {
      ...base,
      packets: 1,
      bytes: event.length,
      flagCounts: counts(base.tcpFlags ?? 0),
      ifindex: event.ifindex,
      direction,
      observation: Observation.HOST,
      isReply: Reply.UNKNOWN,
      verdict: Verdict.DROPPED,
      dropReason: this.reason(event.subtype),
      dropLocation: this.place(event.file, event.line),
    };
    return [values, event.error === 0 ? undefined : { reason: `error ${event.error}` }];
  }

  private trace(event: PacketEvent, base: FlowValues, packet: PacketReader): readonly [FlowValues, FlowDetails] {
    const [observation, direction] = POINTS[event.subtype] ?? [Observation.HOST, Direction.UNKNOWN];
    const known = event.reason < TraceReason.UNKNOWN;
    const reply = event.reason === TraceReason.REPLY ? Reply.YES : Reply.NO;
    const values = {
      ...base,
      ifindex: event.ifindex,
      direction,
      observation,
      isReply: known ? reply : Reply.UNKNOWN,
      verdict: Verdict.FORWARDED,
    };
    let details = this.traceText(event);
    if (isToProxy(event) && event.destination !== 0)
      details = { reason: `${details.reason}, port ${event.destination}` };
    const { original } = event;
    // flags without the IPv6 bit on an IPv6 packet mean that there is no translation to tell of
    if (original && (original.length === 16) === (packet.family === 6) && !endsWith(packet.source, original)) {
      details = { reason: `${details.reason}, source translated` };
      packet.source.set(original, 16 - original.length);
    }
    return [values, details];
  }

  /** Cilium says which kind of rule matched, not its name: `policy` has to come from elsewhere. */
  private verdict(
    event: PacketEvent,
    base: FlowValues,
    policy: PolicyDetails | undefined,
  ): readonly [FlowValues, FlowDetails] {
    const denied = event.verdict < 0;
    const action = denied ? 'denied' : event.verdict > 0 ? `redirected to proxy port ${event.verdict}` : 'allowed';
    const parts = [`policy verdict, ${event.audited ? 'audited' : action}`, `match ${matchText(event.match)}`];
    if (event.authentication !== 0) parts.push(`authentication ${authenticationText(event.authentication)}`);
    parts.push(`${event.ingress ? 'from' : 'to'} identity ${event.remoteIdentity}`);
    const values = {
      ...base,
      direction: event.ingress ? Direction.INGRESS : Direction.EGRESS,
      observation: Observation.HOST,
      isReply: denied ? Reply.UNKNOWN : Reply.NO,
      verdict: denied ? Verdict.DROPPED : Verdict.FORWARDED,
      dropReason: denied ? this.reason(-event.verdict) : 0,
    };
    return [values, { reason: parts.join(', '), ...(policy && { policies: [policy] }) }];
  }

  private traceText(event: PacketEvent): FlowDetails {
    const key = (event.subtype << 9) | (event.reason << 1) | Number(event.encrypted);
    let details = this.traceDetails.get(key);
    if (!details) {
      details = { reason: traceText(event.subtype, event.reason, event.encrypted) };
      this.traceDetails.set(key, details); // one per point and reason: at most 65 536
    }
    return details;
  }

  private reason(reason: number): number {
    let id = this.reasons.get(reason);
    if (id === undefined) {
      id = this.label(dropReasonName(Math.min(reason, 256))); // reasons are bytes; what is none gets one name
      if (this.reasons.size < 512) this.reasons.set(reason, id);
    }
    return id;
  }

  private place(file: number, line: number): number {
    const name = sourceFileName(file);
    if (name === '') return 0;
    const key = file * 65_536 + line;
    let id = this.places.get(key);
    if (id === undefined) {
      const room = this.places.size < MOST_PLACES;
      id = this.label(room ? `${name}:${line}` : name);
      if (room) this.places.set(key, id);
    }
    return id;
  }
}

function capture(event: PacketEvent, base: FlowValues): readonly [FlowValues, FlowDetails] {
  const proxy = event.subtype === Capture.PROXY_PRE || event.subtype === Capture.PROXY_POST;
  const values = {
    ...base,
    ifindex: proxy ? 0 : event.destination,
    observation: Observation.HOST,
    isReply: Reply.UNKNOWN,
    verdict: Verdict.UNKNOWN,
  };
  return [values, { reason: captureText(event.subtype) }];
}

function counts(flags: number): number[] {
  return Array.from({ length: FLAGS }, (_, bit) => (flags >> bit) & 1);
}

function endsWith(address: Uint8Array, end: Uint8Array): boolean {
  const start = address.length - end.length;
  return end.every((byte, i) => address[start + i] === byte);
}
