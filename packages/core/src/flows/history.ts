import { FLOW_STRIDE, FlowBatch, type FlowDetails } from '@retina/sdk';

/** Where a record lies: valid until the next append. */
export interface HistoryRow {
  readonly batch: FlowBatch;
  readonly row: number;
  /** Counts from 0; never repeats. */
  readonly sequence: number;
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
  /** What hangs off the records, by place; only while some record here has any. */
  private details: (FlowDetails | undefined)[] | undefined;
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
      if (this.details !== undefined || batch.detailed) this.keepDetails(batch, from, to, n);
      this.appended += n;
      from += n;
    }
  }

  /** Takes over the details of `n` records, and with them lets go of those of the records they replace. */
  private keepDetails(batch: FlowBatch, from: number, to: number, n: number): void {
    if (!this.details) this.setDetails(new Array<FlowDetails | undefined>(this.capacity).fill(undefined));
    const details = this.details!;
    if (!batch.detailed) details.fill(undefined, to, to + n);
    else {
      for (let i = 0; i < n; i++) {
        details[to + i] = batch.details(from + i);
        if (details[to + i] !== undefined) this.detailedUntil = this.appended + i + 1;
      }
    }
    if (this.appended + n - this.capacity >= this.detailedUntil) this.setDetails(undefined);
  }

  private setDetails(details: (FlowDetails | undefined)[] | undefined): void {
    this.details = details;
    this.view = new FlowBatch(this.buffer, this.capacity, details);
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
