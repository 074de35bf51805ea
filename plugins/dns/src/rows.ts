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
  readonly counted = new Uint8Array(CAPACITY);
  readonly response = new Uint8Array(CAPACITY);
  readonly code = new Uint32Array(CAPACITY);
  readonly type = new Uint32Array(CAPACITY);
  readonly query = new Uint32Array(CAPACITY);
  readonly answer = new Uint32Array(CAPACITY);
  readonly count = new Uint32Array(CAPACITY);
  /** Seconds; negative where there is none. */
  readonly latency = new Float64Array(CAPACITY);
  private readonly values = new Values();
  private readonly writer = new FlowWriter(CAPACITY);
  private readonly flush: (batch: FlowBatch) => void;

  constructor(flush: (batch: FlowBatch) => void) {
    this.flush = flush;
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
    if (this.writer.length === CAPACITY) this.end();
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
