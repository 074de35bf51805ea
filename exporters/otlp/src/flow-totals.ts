import { type FlowBatch, TCP_FLAGS } from '@retina/sdk';

/** How much one record says, or several that say it of the same. */
export class FlowTotals {
  records = 0;
  start = Infinity;
  end = 0;
  bytes = 0;
  packets = 0;
  retransmits = 0;
  /** The last one known. */
  rttMicros = 0;
  readonly flags: number[] = new Array<number>(TCP_FLAGS.length).fill(0);

  clear(): this {
    this.records = this.end = this.bytes = this.packets = this.retransmits = this.rttMicros = 0;
    this.start = Infinity;
    this.flags.fill(0);
    return this;
  }

  add(batch: FlowBatch, row: number): this {
    this.records++;
    this.start = Math.min(this.start, finite(batch.start(row)));
    this.end = Math.max(this.end, finite(batch.end(row)));
    this.bytes += finite(batch.bytes(row));
    this.packets += finite(batch.packets(row));
    this.retransmits += batch.retransmits(row);
    this.rttMicros = batch.rttMicros(row) || this.rttMicros;
    for (let flag = 0; flag < this.flags.length; flag++) this.flags[flag]! += batch.flagCount(row, flag);
    return this;
  }
}

/** Numbers of a record that lies: JSON has no NaN. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
