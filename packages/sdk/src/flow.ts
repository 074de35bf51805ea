import type { FlowDetails, StoredDetails } from './flow-details.ts';
import { FLOW_OFFSETS, FLOW_STRIDE } from './flow-layout.ts';

export * from './flow-layout.ts';
export * from './flow-terms.ts';

/** A batch of flow records, borrowed: valid until the handler returns. Every reader takes a row, 0 ≤ row < length. */
export class FlowBatch {
  /** Records in the batch. */
  length: number;
  readonly buffer: Uint8Array;
  /** Details that lie in stores: for who keeps records longer than the batch. */
  readonly stored: StoredDetails | undefined;
  private readonly more: readonly (FlowDetails | undefined)[] | undefined;
  /** 1 by row for what is left aside; undefined where nothing is. */
  private marks: Uint8Array | undefined;
  private readonly u16: Uint16Array;
  private readonly u32: Uint32Array;
  private readonly f64: Float64Array;

  /** `buffer` starts on an 8-byte boundary and holds `length` records of FLOW_STRIDE bytes; `details` or where they are `stored`, by row. */
  constructor(
    buffer: Uint8Array,
    length: number,
    details?: readonly (FlowDetails | undefined)[],
    stored?: StoredDetails,
  ) {
    const { buffer: whole, byteOffset: at, byteLength: size } = buffer;
    this.buffer = buffer;
    this.length = length;
    this.more = details;
    this.stored = stored;
    this.marks = undefined;
    this.u16 = new Uint16Array(whole, at, size >> 1);
    this.u32 = new Uint32Array(whole, at, size >> 2);
    this.f64 = new Float64Array(whole, at, size >> 3);
  }

  /** What hangs off the record beside its numbers. Not borrowed: it may be kept. */
  details(row: number): FlowDetails | undefined {
    return this.more?.[row] ?? this.stored?.stores[row]?.details(this.stored.places[row]!);
  }
  /** Whether any row may have details. */
  get detailed(): boolean {
    return this.more !== undefined || this.stored !== undefined;
  }
  /** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; a view, valid as long as the batch. */
  sourceAddress(row: number): Uint8Array {
    const at = row * FLOW_STRIDE;
    return this.buffer.subarray(at, at + 16);
  }
  /** 16 bytes as those of {@link FlowBatch.sourceAddress}: a view, valid as long as the batch. */
  destinationAddress(row: number): Uint8Array {
    const at = row * FLOW_STRIDE + 16;
    return this.buffer.subarray(at, at + 16);
  }
  /** One of the four 32-bit words of the source address as a little-endian load; for hashing and comparing. */
  sourceWord(row: number, word: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + word]!;
  }
  /** One of the four 32-bit words of the destination address, as {@link FlowBatch.sourceWord}. */
  destinationWord(row: number, word: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + 4 + word]!;
  }
  /** Milliseconds since the Unix epoch: the connection's first packet as far as known. */
  firstSeen(row: number): number {
    return this.f64[row * (FLOW_STRIDE >> 3) + (FLOW_OFFSETS.firstSeen >> 3)]!;
  }
  /** Milliseconds since the Unix epoch: this record's first packet. */
  start(row: number): number {
    return this.f64[row * (FLOW_STRIDE >> 3) + (FLOW_OFFSETS.start >> 3)]!;
  }
  /** Milliseconds since the Unix epoch: this record's last packet. */
  end(row: number): number {
    return this.f64[row * (FLOW_STRIDE >> 3) + (FLOW_OFFSETS.end >> 3)]!;
  }
  /** Bytes on the wire from the link layer up, since the flow's last record. */
  bytes(row: number): number {
    return this.f64[row * (FLOW_STRIDE >> 3) + (FLOW_OFFSETS.bytes >> 3)]!;
  }
  /** Packets on the wire since the flow's last record; a GSO packet counts as those it stands for. */
  packets(row: number): number {
    return this.f64[row * (FLOW_STRIDE >> 3) + (FLOW_OFFSETS.packets >> 3)]!;
  }
  /** Packets with TCP_FLAGS[flag] set, since the flow's last record. */
  flagCount(row: number, flag: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.flagCounts >> 2) + flag]!;
  }
  /** Slot of this flow at its tap; small, dense, reused. `fresh(row)` says that a slot has a new owner. */
  flowId(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.flowId >> 2)]!;
  }
  /** 1 in the first record of a flow: anything cached by `flowId` before it belongs to another flow. */
  fresh(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.fresh]!;
  }
  /** Shared by both directions of a connection at one tap. */
  connectionId(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.connectionId >> 2)]!;
  }
  /** Index of the tapped interface in the agent's network namespace; 0 for events that have no tap. */
  ifindex(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.ifindex >> 2)]!;
  }
  /** Inode number of the network namespace of the endpoint (veth taps) or of the event; 0 where unknown. */
  netns(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.netns >> 2)]!;
  }
  /** Smoothed round-trip time in microseconds; 0 where unknown. */
  rttMicros(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.rttMicros >> 2)]!;
  }
  /** Smallest round-trip time of the connection in microseconds; 0 where unknown. */
  minRttMicros(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.minRttMicros >> 2)]!;
  }
  /** From SYN to established in microseconds; 0 where unknown. */
  setupMicros(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.setupMicros >> 2)]!;
  }
  /** Segments retransmitted since the flow's last record. */
  retransmits(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.retransmits >> 2)]!;
  }
  /** For verdict DROPPED: an id of the emitting plugin's label domain that names the reason (`ctx.label`). */
  dropReason(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.dropReason >> 2)]!;
  }
  /** For verdict DROPPED: a label id that names the kernel symbol which dropped the packet; 0 where unknown. */
  dropLocation(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.dropLocation >> 2)]!;
  }
  /** Endpoint ids, written by the host's identity stage; 0 is "unknown". */
  sourceEndpoint(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.sourceEndpoint >> 2)]!;
  }
  /** Id of the destination's endpoint, as {@link FlowBatch.sourceEndpoint}. */
  destinationEndpoint(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.destinationEndpoint >> 2)]!;
  }
  /** The endpoint that owns the tap's interface; 0 where it has none (uplinks) or is unknown. */
  tapEndpoint(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.tapEndpoint >> 2)]!;
  }
  /** Set by the host's identity stage; a plugin has no reason to call it. */
  setEndpoints(row: number, source: number, destination: number, tap: number): void {
    const at = row * (FLOW_STRIDE >> 2);
    this.u32[at + (FLOW_OFFSETS.sourceEndpoint >> 2)] = source;
    this.u32[at + (FLOW_OFFSETS.destinationEndpoint >> 2)] = destination;
    this.u32[at + (FLOW_OFFSETS.tapEndpoint >> 2)] = tap;
  }
  /**
   * Whether nobody chose the record, once it has passed the host's identity stage: pods are selected, it is of pods, and of none of
   * those. It counts for no endpoint, and neither history, flow log nor exporter sees it; what a plugin counts for the node it still counts.
   */
  aside(row: number): boolean {
    return this.marks !== undefined && this.marks[row] === 1;
  }
  /** Set by the host's identity stage; a plugin has no reason to call it. Returns room for a mark a row, or undefined for `false`. */
  markAside(some: boolean): Uint8Array | undefined {
    if (!some) return (this.marks = undefined);
    if (this.marks === undefined || this.marks.length < this.length) this.marks = new Uint8Array(this.length);
    return this.marks;
  }
  /** 1, or N where one of N packets was looked at and the counters are scaled by N. */
  sampling(row: number): number {
    return this.u32[row * (FLOW_STRIDE >> 2) + (FLOW_OFFSETS.sampling >> 2)]! || 1;
  }
  /** Host byte order; 0 where the protocol has none or the packet was a later fragment of an unknown first one. */
  sourcePort(row: number): number {
    return this.u16[row * (FLOW_STRIDE >> 1) + (FLOW_OFFSETS.sourcePort >> 1)]!;
  }
  /** Host byte order; 0 where the protocol has no ports. */
  destinationPort(row: number): number {
    return this.u16[row * (FLOW_STRIDE >> 1) + (FLOW_OFFSETS.destinationPort >> 1)]!;
  }
  /** Bits in the order of TCP_FLAGS: the flags seen since the flow's last record. */
  tcpFlags(row: number): number {
    return this.u16[row * (FLOW_STRIDE >> 1) + (FLOW_OFFSETS.tcpFlags >> 1)]!;
  }
  /** IANA protocol number: 6 TCP, 17 UDP, 132 SCTP, 1 ICMP, 58 ICMPv6, … */
  protocol(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.protocol]!;
  }
  /** 4 or 6. */
  family(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.family]!;
  }
  /** A value of {@link Direction}. */
  direction(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.direction]!;
  }
  /** A value of {@link Observation}. */
  observation(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.observation]!;
  }
  /** A value of {@link Reply}. */
  isReply(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.isReply]!;
  }
  /** A value of {@link Verdict}. */
  verdict(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.verdict]!;
  }
  /** A value of {@link FlowEvent}. */
  event(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.event]!;
  }
  /** ICMP and ICMPv6 only. */
  icmpType(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.icmpType]!;
  }
  /** ICMP or ICMPv6 code, where `protocol` is one of them. */
  icmpCode(row: number): number {
    return this.buffer[row * FLOW_STRIDE + FLOW_OFFSETS.icmpCode]!;
  }
}
