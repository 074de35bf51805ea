import { FLOW_STRIDE, FlowBatch, type FlowDetails } from '@retina/sdk';

/** Records per batch given to an exporter. */
const BATCH = 1024;

interface Open {
  readonly slab: Uint8Array;
  length: number;
  details: (FlowDetails | undefined)[] | undefined;
}

/** Copies of flow records on their way to an exporter: bounded, in batches, oldest first. */
export class FlowQueue {
  private readonly maxBatches: number;
  private readonly full: FlowBatch[] = [];
  private readonly spare: Uint8Array[] = [];
  private open: Open | undefined;

  constructor(maxRecords: number) {
    this.maxBatches = Math.max(1, Math.ceil(maxRecords / BATCH));
  }

  /** Records that wait. */
  get length(): number {
    return this.full.reduce((sum, batch) => sum + batch.length, this.open?.length ?? 0);
  }

  /** Copies a borrowed batch; returns how many of its records found no room. */
  push(batch: FlowBatch): number {
    let row = 0;
    while (row < batch.length) {
      const open = (this.open ??= this.begin());
      if (!open) return batch.length - row;
      const n = Math.min(batch.length - row, BATCH - open.length);
      open.slab.set(batch.buffer.subarray(row * FLOW_STRIDE, (row + n) * FLOW_STRIDE), open.length * FLOW_STRIDE);
      if (batch.detailed) copyDetails(batch, row, n, open);
      open.length += n;
      row += n;
      if (open.length === BATCH) this.seal();
    }
    return 0;
  }

  /** The next batch, a part-filled one too; undefined when empty. It belongs to the caller until `recycle`. */
  take(): FlowBatch | undefined {
    if (this.full.length === 0) this.seal();
    return this.full.shift();
  }

  recycle(batch: FlowBatch): void {
    if (this.spare.length < 2) this.spare.push(batch.buffer);
  }

  private begin(): Open | undefined {
    if (this.full.length >= this.maxBatches) return undefined;
    return { slab: this.spare.pop() ?? new Uint8Array(BATCH * FLOW_STRIDE), length: 0, details: undefined };
  }

  private seal(): void {
    if (this.open?.length) this.full.push(new FlowBatch(this.open.slab, this.open.length, this.open.details));
    this.open = undefined;
  }
}

function copyDetails(batch: FlowBatch, from: number, n: number, open: Open): void {
  for (let i = 0; i < n; i++) {
    const details = batch.details(from + i);
    if (details) (open.details ??= [])[open.length + i] = details;
  }
}
