import { Direction, type FlowBatch, Observation } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';

/**
 * The direction in which a record counts, seen from the end it counts for, or -1 if it counts for none. A packet that
 * crosses two taps is one packet: a pod's is counted at its own interface, the host's own at the uplink.
 */
export function countsFor(endpoints: EndpointTable, batch: FlowBatch, row: number): number {
  switch (batch.observation(row)) {
    case Observation.FROM_ENDPOINT:
      return Direction.EGRESS;
    case Observation.TO_ENDPOINT:
      // A copy for everybody on a bridge is not the packet.
      return batch.tapEndpoint(row) === batch.destinationEndpoint(row) || batch.tapEndpoint(row) === 0
        ? Direction.INGRESS
        : -1;
    case Observation.TO_NETWORK:
      return endpoints.isHost(batch.sourceEndpoint(row)) ? Direction.EGRESS : -1;
    case Observation.FROM_NETWORK:
      return endpoints.isHost(batch.destinationEndpoint(row)) ? Direction.INGRESS : -1;
    default:
      return eventDirection(endpoints, batch, row);
  }
}

/** An event of the kernel (a drop) counts for the endpoint whose namespace it happened in, else for one of its addresses. */
function eventDirection(endpoints: EndpointTable, batch: FlowBatch, row: number): number {
  const source = batch.sourceEndpoint(row);
  const destination = batch.destinationEndpoint(row);
  const tap = batch.tapEndpoint(row);
  if (tap !== 0 && tap === source && tap !== destination) return Direction.EGRESS;
  if (tap !== 0 && tap === destination && tap !== source) return Direction.INGRESS;
  if (source === 0 && destination === 0) return -1;
  const said = batch.direction(row);
  if (said === Direction.EGRESS && source !== 0) return said;
  if (said === Direction.INGRESS && destination !== 0) return said;
  // A packet the host forwards between pods is theirs, not the host's.
  const sourceHost = endpoints.isHost(source);
  if (source !== 0 && (!sourceHost || destination === 0 || endpoints.isHost(destination))) return Direction.EGRESS;
  return Direction.INGRESS;
}
