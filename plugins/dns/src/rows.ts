import {
  Direction, type FlowBatch, type FlowDetails, FlowEvent, FlowWriter, Observation, Reply, Verdict,
} from '@retina/sdk'; // prettier-ignore
import type { Packet } from './packet.ts';

/** What else is to be counted for a row, once the host knows whose it is. */
export interface RowLabels {
  /** Whether the message counts here; else it is here for the flow log and for latency. */
  readonly counted: boolean;
  readonly response: boolean;
  readonly code: number;
  readonly type: number;
  readonly query: number;
  readonly answer: number;
  readonly count: number;
  /** Seconds; negative where there is none. */
  readonly latency: number;
}

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

/** Flow records of messages, with their labels, until the host takes them. They have no packets: others count those. */
export class Rows {
  private readonly writer = new FlowWriter(CAPACITY);
  private readonly labels: RowLabels[] = [];
  private readonly flush: (batch: FlowBatch, labels: readonly RowLabels[]) => void;

  constructor(flush: (batch: FlowBatch, labels: readonly RowLabels[]) => void) {
    this.flush = flush;
  }

  add(packet: Packet, netns: number, time: number, labels: RowLabels, details: FlowDetails | undefined): void {
    if (this.writer.length === CAPACITY) this.end();
    this.labels.push(labels);
    this.writer.add(
      {
        sourceAddress: packet.source,
        destinationAddress: packet.destination,
        firstSeen: time,
        start: time,
        end: time,
        ifindex: packet.ifindex,
        netns,
        sourcePort: packet.sourcePort,
        destinationPort: packet.destinationPort,
        protocol: packet.protocol,
        family: packet.family,
        direction: directionOf(packet),
        observation: observationOf(packet),
        isReply: labels.response ? Reply.YES : Reply.NO,
        verdict: Verdict.FORWARDED,
        event: FlowEvent.UPDATE,
      },
      details,
    );
  }

  /** Hands over what there is. */
  end(): void {
    if (this.writer.length === 0) return;
    try {
      this.flush(this.writer.batch(), this.labels);
    } finally {
      this.writer.clear();
      this.labels.length = 0;
    }
  }
}
