import {
  type DetailsStore, Direction, type FlowBatch, FlowEvent, FlowWriter, Observation, Reply, Verdict,
} from '@retina/sdk'; // prettier-ignore
import type { Packet } from './packet.ts';

const CAPACITY = 512;

/** Where a tap stands. */
interface TapView {
  /** An uplink or an extra tap, not an endpoint's interface. */
  readonly network: boolean;
  readonly egress: boolean;
}

function observationOf({ network, egress }: TapView): number {
  if (network) return egress ? Observation.TO_NETWORK : Observation.FROM_NETWORK;
  return egress ? Observation.TO_ENDPOINT : Observation.FROM_ENDPOINT;
}

/** At an endpoint's interface the endpoint's direction: what the node sends there comes in for it. */
function directionOf({ network, egress }: TapView): number {
  return egress === network ? Direction.EGRESS : Direction.INGRESS;
}

/** What a row says, filled again for each. */
class Values {
  sourceAddress: Uint8Array = new Uint8Array(16);
  destinationAddress: Uint8Array = new Uint8Array(16);
  firstSeen = 0;
  start = 0;
  end = 0;
  ifindex = 0;
  netns = 0;
  sourcePort = 0;
  destinationPort = 0;
  protocol = 0;
  family = 0;
  direction = 0;
  observation = 0;
  isReply = 0;
  readonly verdict = Verdict.FORWARDED;
  readonly event = FlowEvent.UPDATE;
}

/**
 * Flow records of messages until the host takes them, and by row what else is to be counted once it knows whose they are.
 * They have no packets: others count those.
 */
export class Rows {
  /** Whether the message counts here; else it is here for the flow log and for latency. */
  readonly counted: Uint8Array;
  readonly response: Uint8Array;
  readonly code: Uint32Array;
  readonly type: Uint32Array;
  readonly query: Uint32Array;
  readonly answer: Uint32Array;
  readonly count: Uint32Array;
  /** Seconds; negative where there is none. */
  readonly latency: Float64Array;
  private readonly values = new Values();
  private readonly writer: FlowWriter;
  private readonly flush: (batch: FlowBatch) => void;

  /** `capacity`: rows that are handed over at a time. */
  constructor(flush: (batch: FlowBatch) => void, capacity: number = CAPACITY) {
    this.flush = flush;
    this.writer = new FlowWriter(capacity);
    this.counted = new Uint8Array(capacity);
    this.response = new Uint8Array(capacity);
    this.code = new Uint32Array(capacity);
    this.type = new Uint32Array(capacity);
    this.query = new Uint32Array(capacity);
    this.answer = new Uint32Array(capacity);
    this.count = new Uint32Array(capacity);
    this.latency = new Float64Array(capacity);
  }

  /** The new record's row, whose columns the caller fills. */
  add(
    packet: Packet,
    netns: number,
    time: number,
    response: boolean,
    store: DetailsStore | undefined,
    place: number,
  ): number {
    if (this.writer.length === this.writer.capacity) this.end();
    const { values } = this;
    values.sourceAddress = packet.source;
    values.destinationAddress = packet.destination;
    values.firstSeen = values.start = values.end = time;
    values.ifindex = packet.ifindex;
    values.netns = netns;
    values.sourcePort = packet.sourcePort;
    values.destinationPort = packet.destinationPort;
    values.protocol = packet.protocol;
    values.family = packet.family;
    values.direction = directionOf(packet);
    values.observation = observationOf(packet);
    values.isReply = response ? Reply.YES : Reply.NO;
    const row = this.writer.length;
    if (store) this.writer.addStored(values, store, place);
    else this.writer.add(values);
    this.response[row] = response ? 1 : 0;
    return row;
  }

  /** Hands over what there is. */
  end(): void {
    if (this.writer.length === 0) return;
    try {
      this.flush(this.writer.batch());
    } finally {
      this.writer.clear();
    }
  }
}
