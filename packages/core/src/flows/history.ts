import { type DetailsStore, FLOW_STRIDE, FlowBatch, type FlowDetails } from '@retina/sdk';

/** Where a record lies: valid until the next append. */
export interface HistoryRow {
  readonly batch: FlowBatch;
  readonly row: number;
  /** Counts from 0; never repeats. */
  readonly sequence: number;
}

/** What hangs off the records, by place: itself, or where it lies until somebody looks. */
interface Kept {
  readonly details: (FlowDetails | undefined)[];
  readonly stores: (DetailsStore | undefined)[];
  readonly places: Uint32Array;
}

/**
 * The last records that passed, in one buffer of fixed size: the oldest give way. It is touched by one copy per batch
 * and made on first use.
 */
export class FlowHistory {
  readonly capacity: number;
  /** Records ever appended; the sequence number of the next one. */
  appended = 0;
  private buffer: Uint8Array = new Uint8Array(0);
  private view = new FlowBatch(new Uint8Array(0), 0);
  /** Only while some record here has details. */
  private kept: Kept | undefined;
  /** Sequence number after the last record with details. */
  private detailedUntil = 0;

  /** `records` of 192 bytes each. */
  constructor(records: number) {
    this.capacity = records;
  }

  get length(): number {
    return Math.min(this.appended, this.capacity);
  }

  /** Sequence number of the oldest record still here. */
  get oldest(): number {
    return this.appended - this.length;
  }

  append(batch: FlowBatch): void {
    if (this.capacity === 0) {
      this.appended += batch.length;
      return;
    }
    if (this.buffer.length === 0) {
      this.buffer = new Uint8Array(this.capacity * FLOW_STRIDE);
      this.view = new FlowBatch(this.buffer, this.capacity);
    }
    const skipped = Math.max(0, batch.length - this.capacity); // a batch larger than the ring: its end is kept
    this.appended += skipped;
    let from = skipped;
    while (from < batch.length) {
      const to = this.appended % this.capacity;
      const n = Math.min(batch.length - from, this.capacity - to);
      this.buffer.set(batch.buffer.subarray(from * FLOW_STRIDE, (from + n) * FLOW_STRIDE), to * FLOW_STRIDE);
      if (this.kept !== undefined || batch.detailed) this.keepDetails(batch, from, to, n);
      this.appended += n;
      from += n;
    }
  }

  /** Takes over the details of `n` records, and with them lets go of those of the records they replace. */
  private keepDetails(batch: FlowBatch, from: number, to: number, n: number): void {
    if (!this.kept) this.setKept(emptyKept(this.capacity));
    const { details, stores, places } = this.kept!;
    const { stored } = batch;
    if (!batch.detailed) {
      details.fill(undefined, to, to + n);
      stores.fill(undefined, to, to + n);
    } else {
      for (let i = 0; i < n; i++) {
        const store = stored?.stores[from + i];
        stores[to + i] = store;
        if (store) places[to + i] = stored.places[from + i]!;
        const own = (details[to + i] = store ? undefined : batch.details(from + i));
        if (store !== undefined || own !== undefined) this.detailedUntil = this.appended + i + 1;
      }
    }
    if (this.appended + n - this.capacity >= this.detailedUntil) this.setKept(undefined);
  }

  private setKept(kept: Kept | undefined): void {
    this.kept = kept;
    this.view = new FlowBatch(this.buffer, this.capacity, kept?.details, kept);
  }

  /** Records from a sequence number on, oldest first. Read within one turn of the event loop. */
  *rows(from = this.oldest): Generator<HistoryRow> {
    for (let sequence = Math.max(from, this.oldest); sequence < this.appended; sequence++) {
      yield { batch: this.view, row: sequence % this.capacity, sequence };
    }
  }

  /** The last `limit` records that pass `wanted`, oldest first, each turned into `make`'s result. */
  last<T>(
    limit: number,
    wanted: (batch: FlowBatch, row: number) => boolean,
    make: (batch: FlowBatch, row: number) => T,
  ): T[] {
    const found: T[] = [];
    for (let sequence = this.appended - 1; sequence >= this.oldest && found.length < limit; sequence--) {
      const row = sequence % this.capacity;
      if (wanted(this.view, row)) found.push(make(this.view, row));
    }
    return found.reverse();
  }
}

function emptyKept(capacity: number): Kept {
  const none = () => new Array<undefined>(capacity).fill(undefined);
  return { details: none(), stores: none(), places: new Uint32Array(capacity) };
}
