import type { FlowDetails } from './flow-details.ts';
import { FLOW_OFFSETS, FLOW_STRIDE, FlowBatch } from './flow.ts';

/** The values of one flow record. What is left out is zero. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export type FlowValues = {
  readonly [F in Exclude<keyof typeof FLOW_OFFSETS, 'sourceAddress' | 'destinationAddress' | 'flagCounts'>]?: number;
} & {
  readonly sourceAddress?: Uint8Array;
  readonly destinationAddress?: Uint8Array;
  readonly flagCounts?: readonly number[];
};

const F64 = ['firstSeen', 'start', 'end', 'bytes', 'packets'] as const;
const U32 = [
  'flowId', 'ifindex', 'netns', 'rttMicros', 'retransmits', 'dropReason', 'dropLocation', 'sourceEndpoint',
  'destinationEndpoint', 'tapEndpoint', 'connectionId', 'sampling', 'minRttMicros', 'setupMicros',
] as const; // prettier-ignore
const U16 = ['sourcePort', 'destinationPort', 'tcpFlags'] as const;
const U8 = [
  'protocol', 'family', 'direction', 'observation', 'isReply', 'verdict', 'event', 'icmpType', 'icmpCode', 'fresh',
] as const; // prettier-ignore

/**
 * Builds flow batches in JavaScript, for sources that are no kernel table (a socket, a file, a test). Rows beyond
 * `capacity` are refused by `add` returning false, so that the caller emits and clears, and nothing is lost.
 */
export class FlowWriter {
  readonly capacity: number;
  private readonly view: DataView;
  private readonly slab: Uint8Array;
  private rows = 0;
  private details: (FlowDetails | undefined)[] | undefined;

  constructor(capacity = 1024) {
    this.capacity = capacity;
    this.slab = new Uint8Array(new ArrayBuffer(capacity * FLOW_STRIDE));
    this.view = new DataView(this.slab.buffer);
  }

  get length(): number {
    return this.rows;
  }

  /** Appends one record and what hangs off it; false when full. */
  add(values: FlowValues, details?: FlowDetails): boolean {
    if (this.rows === this.capacity) return false;
    const at = this.rows * FLOW_STRIDE;
    const { view } = this;
    this.slab.fill(0, at, at + FLOW_STRIDE);
    if (values.sourceAddress) this.slab.set(values.sourceAddress, at + FLOW_OFFSETS.sourceAddress);
    if (values.destinationAddress) this.slab.set(values.destinationAddress, at + FLOW_OFFSETS.destinationAddress);
    values.flagCounts?.forEach((n, i) => view.setUint32(at + FLOW_OFFSETS.flagCounts + 4 * i, n, true));
    for (const f of F64) view.setFloat64(at + FLOW_OFFSETS[f], values[f] ?? 0, true);
    for (const f of U32) view.setUint32(at + FLOW_OFFSETS[f], values[f] ?? 0, true);
    for (const f of U16) view.setUint16(at + FLOW_OFFSETS[f], values[f] ?? 0, true);
    for (const f of U8) view.setUint8(at + FLOW_OFFSETS[f], values[f] ?? 0);
    if (details) (this.details ??= [])[this.rows] = details;
    this.rows++;
    return true;
  }

  /** The rows written so far; borrowed, valid until the next `add` or `clear`. */
  batch(): FlowBatch {
    return new FlowBatch(this.slab, this.rows, this.details);
  }

  clear(): void {
    this.rows = 0;
    this.details = undefined;
  }
}
