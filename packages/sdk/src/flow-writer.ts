import type { DetailsStore, FlowDetails } from './flow-details.ts';
import { FLOW_OFFSETS, FLOW_STRIDE, FlowBatch } from './flow.ts';

/** The values of one flow record. What is left out is zero. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export type FlowValues = {
  readonly [F in Exclude<keyof typeof FLOW_OFFSETS, 'sourceAddress' | 'destinationAddress' | 'flagCounts'>]?: number;
} & {
  readonly sourceAddress?: Uint8Array;
  readonly destinationAddress?: Uint8Array;
  readonly flagCounts?: readonly number[];
};

const O = FLOW_OFFSETS;

/**
 * Builds flow batches in JavaScript, for sources that are no kernel table (a socket, a file, a test). Rows beyond
 * `capacity` are refused by `add` returning false, so that the caller emits and clears, and nothing is lost.
 */
export class FlowWriter {
  readonly capacity: number;
  private readonly view: DataView;
  private readonly slab: Uint8Array;
  /** The slab, eight bytes at a time. */
  private readonly cells: Float64Array;
  private rows = 0;
  private details: (FlowDetails | undefined)[] | undefined;
  private stored: { readonly stores: (DetailsStore | undefined)[]; readonly places: Uint32Array } | undefined;
  /** Whether a row since the last clear has its details in a store. */
  private storing = false;

  constructor(capacity = 1024) {
    this.capacity = capacity;
    this.slab = new Uint8Array(new ArrayBuffer(capacity * FLOW_STRIDE));
    this.view = new DataView(this.slab.buffer);
    this.cells = new Float64Array(this.slab.buffer);
  }

  get length(): number {
    return this.rows;
  }

  /** Appends one record whose details stay in a store, in a place below 2^32, until somebody asks for them; false when full. */
  addStored(values: FlowValues, store: DetailsStore, place: number): boolean {
    if (this.rows === this.capacity) return false;
    this.stored ??= {
      stores: new Array<undefined>(this.capacity).fill(undefined),
      places: new Uint32Array(this.capacity),
    };
    this.stored.stores[this.rows] = store;
    this.stored.places[this.rows] = place;
    this.storing = true;
    return this.add(values);
  }

  /** Appends one record and what hangs off it; false when full. */
  add(values: FlowValues, details?: FlowDetails): boolean {
    if (this.rows === this.capacity) return false;
    const at = this.rows * FLOW_STRIDE;
    const { view, slab } = this;
    // by hand: for so few bytes a call costs more than they do
    for (let i = at >> 3; i < (at + FLOW_STRIDE) >> 3; i++) this.cells[i] = 0;
    if (values.sourceAddress) this.putAddress(values.sourceAddress, at + O.sourceAddress);
    if (values.destinationAddress) this.putAddress(values.destinationAddress, at + O.destinationAddress);
    values.flagCounts?.forEach((n, i) => view.setUint32(at + O.flagCounts + 4 * i, n, true));
    // written out: a loop over their names takes five times as long
    if (values.firstSeen) view.setFloat64(at + O.firstSeen, values.firstSeen, true);
    if (values.start) view.setFloat64(at + O.start, values.start, true);
    if (values.end) view.setFloat64(at + O.end, values.end, true);
    if (values.bytes) view.setFloat64(at + O.bytes, values.bytes, true);
    if (values.packets) view.setFloat64(at + O.packets, values.packets, true);
    if (values.flowId) view.setUint32(at + O.flowId, values.flowId, true);
    if (values.ifindex) view.setUint32(at + O.ifindex, values.ifindex, true);
    if (values.netns) view.setUint32(at + O.netns, values.netns, true);
    if (values.rttMicros) view.setUint32(at + O.rttMicros, values.rttMicros, true);
    if (values.retransmits) view.setUint32(at + O.retransmits, values.retransmits, true);
    if (values.dropReason) view.setUint32(at + O.dropReason, values.dropReason, true);
    if (values.dropLocation) view.setUint32(at + O.dropLocation, values.dropLocation, true);
    if (values.sourceEndpoint) view.setUint32(at + O.sourceEndpoint, values.sourceEndpoint, true);
    if (values.destinationEndpoint) view.setUint32(at + O.destinationEndpoint, values.destinationEndpoint, true);
    if (values.tapEndpoint) view.setUint32(at + O.tapEndpoint, values.tapEndpoint, true);
    if (values.connectionId) view.setUint32(at + O.connectionId, values.connectionId, true);
    if (values.sampling) view.setUint32(at + O.sampling, values.sampling, true);
    if (values.minRttMicros) view.setUint32(at + O.minRttMicros, values.minRttMicros, true);
    if (values.setupMicros) view.setUint32(at + O.setupMicros, values.setupMicros, true);
    if (values.sourcePort) view.setUint16(at + O.sourcePort, values.sourcePort, true);
    if (values.destinationPort) view.setUint16(at + O.destinationPort, values.destinationPort, true);
    if (values.tcpFlags) view.setUint16(at + O.tcpFlags, values.tcpFlags, true);
    if (values.protocol) slab[at + O.protocol] = values.protocol;
    if (values.family) slab[at + O.family] = values.family;
    if (values.direction) slab[at + O.direction] = values.direction;
    if (values.observation) slab[at + O.observation] = values.observation;
    if (values.isReply) slab[at + O.isReply] = values.isReply;
    if (values.verdict) slab[at + O.verdict] = values.verdict;
    if (values.event) slab[at + O.event] = values.event;
    if (values.icmpType) slab[at + O.icmpType] = values.icmpType;
    if (values.icmpCode) slab[at + O.icmpCode] = values.icmpCode;
    if (values.fresh) slab[at + O.fresh] = values.fresh;
    if (details) (this.details ??= [])[this.rows] = details;
    this.rows++;
    return true;
  }

  private putAddress(address: Uint8Array, at: number): void {
    if (address.length !== 16) this.slab.set(address, at);
    else for (let i = 0; i < 16; i++) this.slab[at + i] = address[i]!;
  }

  /** The rows written so far; borrowed, valid until the next `add` or `clear`. */
  batch(): FlowBatch {
    return new FlowBatch(this.slab, this.rows, this.details, this.storing ? this.stored : undefined);
  }

  /** Forgets every row; batches made before are no longer valid. */
  clear(): void {
    if (this.storing) this.stored!.stores.fill(undefined);
    this.storing = false;
    this.rows = 0;
    this.details = undefined;
  }
}
