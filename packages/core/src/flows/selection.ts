import { type FlowBatch, Observation } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';

/** Which flow records are reported: all, or those of pods that an annotation or a selector chose. */
export class Selection {
  private readonly endpoints: EndpointTable;
  private selecting = false;

  constructor(endpoints: EndpointTable) {
    this.endpoints = endpoints;
  }

  /** Whether only those of chosen pods are. */
  get on(): boolean {
    return this.selecting;
  }

  set on(selecting: boolean) {
    if (this.selecting === selecting) return;
    this.selecting = selecting;
    this.endpoints.epoch++; // what flows are remembered by says nothing of it, or something else
  }

  /**
   * Whether a record whose ends are known is of pods and of none that was chosen. One end is enough, or the interface; what is no
   * pod's (the node's own, what is for nobody) is no matter of choice.
   */
  leaves(batch: FlowBatch, row: number): boolean {
    const { endpoints } = this;
    const [source, destination, tap] = [
      batch.sourceEndpoint(row),
      batch.destinationEndpoint(row),
      batch.tapEndpoint(row),
    ];
    if (endpoints.observed(source) || endpoints.observed(destination) || endpoints.observed(tap)) return false;
    const observation = batch.observation(row);
    if (observation === Observation.FROM_ENDPOINT || observation === Observation.TO_ENDPOINT) return true;
    return this.isPod(source) || this.isPod(destination) || this.isPod(tap);
  }

  private isPod(id: number): boolean {
    return id !== 0 && this.endpoints.byId(id).kind === 'pod';
  }
}
