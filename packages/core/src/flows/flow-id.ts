import type { FlowBatch } from '@retina/sdk';

/** Flows that are remembered by id: four times the default `maxFlows`, 16 MiB in each cache that reaches it. */
const REMEMBERED = 1 << 20;

/**
 * The id to remember something of a row's flow by; 0 for none. A source with more flows than that, or one that lies about
 * its ids, costs look-ups, not memory.
 */
export function rememberedFlow(batch: FlowBatch, row: number): number {
  const id = batch.flowId(row);
  return id < REMEMBERED ? id : 0;
}
