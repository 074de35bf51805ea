import { type DetailsStore, FLOW_STRIDE, FlowBatch, type FlowDetails } from '@retina/sdk';

/** What a batch comes to without the records that are left aside. */
export class KeptRows {
  /** Records of the last batch that were left aside, and the packets in them. */
  records = 0;
  packets = 0;
  private slab: Uint8Array = new Uint8Array(0);

  /** The batch itself where nothing of it is left aside, undefined where all is, else a copy that is valid until the next call. */
  of(batch: FlowBatch): FlowBatch | undefined {
    this.records = this.packets = 0;
    for (let row = 0; row < batch.length; row++) {
      if (!batch.aside(row)) continue;
      this.records++;
      this.packets += batch.packets(row);
    }
    if (this.records === 0) return batch;
    return this.records === batch.length ? undefined : this.copy(batch, batch.length - this.records);
  }

  private copy(batch: FlowBatch, count: number): FlowBatch {
    const bytes = count * FLOW_STRIDE;
    if (this.slab.length < bytes) this.slab = new Uint8Array(Math.max(bytes, 2 * this.slab.length));
    const { slab } = this;
    const details: (FlowDetails | undefined)[] = [];
    const stores: (DetailsStore | undefined)[] = [];
    const places: number[] = [];
    const { stored } = batch;
    let kept = 0;
    for (let row = 0; row < batch.length; row++) {
      if (batch.aside(row)) continue;
      slab.set(batch.buffer.subarray(row * FLOW_STRIDE, (row + 1) * FLOW_STRIDE), kept * FLOW_STRIDE);
      if (batch.detailed) {
        const store = stored?.stores[row];
        stores[kept] = store;
        places[kept] = stored?.places[row] ?? 0;
        details[kept] = store ? undefined : batch.details(row);
      }
      kept++;
    }
    return batch.detailed ? new FlowBatch(slab, kept, details, { stores, places }) : new FlowBatch(slab, kept);
  }
}
