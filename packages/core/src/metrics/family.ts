import type { MetricFamily, Unit } from '@retina/sdk';
import { OVERFLOW_LABEL } from './labels.ts';
import { resized, SeriesTable } from './series-table.ts';

/** What every family shares with its store. */
export interface FamilyHost {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Text of a label id. */
  text(id: number): string;
  /** A family reached its cap; called at the first sample that goes to the overflow series, and again after there was room. */
  overflowed(family: Family): void;
}

export interface FamilyDescription {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly unit?: Unit | undefined;
  readonly labels: readonly string[];
  readonly maxSeries: number;
}

/**
 * The samples of one metric: a tuple of integers per series, a double per sample. Strings are made when a reader asks
 * for them. Past `maxSeries` samples go to one more series whose labels all read "overflow".
 */
export class Family implements MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly unit: Unit | undefined;
  readonly labels: readonly string[];
  readonly maxSeries: number;
  readonly table: SeriesTable;
  /** By row: value, or sum of a histogram. */
  values = new Float64Array(8);
  /** Samples that went to the overflow series. */
  overflowSamples = 0;
  protected readonly host: FamilyHost;
  private times = new Float64Array(8);
  /** Rows of cleared series, which keep their place until the next clear: a paused reader must not meet them twice. */
  private stale = new Uint8Array(8);
  private staleCount = 0;
  private overflowRow = -1;
  private told = false;

  constructor(host: FamilyHost, description: FamilyDescription, width = description.labels.length) {
    this.host = host;
    this.name = description.name;
    this.help = description.help;
    this.kind = description.kind;
    this.unit = description.unit;
    this.labels = description.labels;
    this.maxSeries = description.maxSeries;
    this.table = new SeriesTable(width);
  }

  get size(): number {
    return this.table.size;
  }

  /** Series shown, the overflow series not counted. */
  get count(): number {
    return this.table.count - this.staleCount - (this.overflowRow < 0 ? 0 : 1);
  }

  live(i: number): boolean {
    return this.table.has(i) && this.stale[i] === 0;
  }

  value(i: number): number {
    return this.values[i]!;
  }

  label(i: number, j: number): string {
    return i === this.overflowRow ? 'overflow' : this.labelOf(i, j);
  }

  created(i: number): number {
    return this.times[i]!;
  }

  /** The row of a tuple, made if need be; the overflow row when the family is full. */
  row(tuple: ArrayLike<number>): number {
    const row = this.table.find(tuple);
    if (row >= 0) {
      if (this.stale[row] === 1) this.revive(row);
      return row;
    }
    return this.create(tuple);
  }

  isStale(row: number): boolean {
    return this.stale[row] === 1;
  }

  /** Ends one series. */
  removeRow(row: number): void {
    if (!this.table.has(row)) return;
    if (this.stale[row] === 1) this.staleCount--;
    this.stale[row] = 0;
    this.reset(row);
    if (row === this.overflowRow) this.overflowRow = -1;
    this.table.remove(row);
    this.told = false;
  }

  /** Ends every series. Those set again before the next clear keep their row. */
  clear(): void {
    for (let row = 0; row < this.table.size; row++) {
      if (!this.table.has(row)) continue;
      if (this.stale[row] === 1) this.removeRow(row);
      else {
        this.stale[row] = 1;
        this.staleCount++;
      }
    }
  }

  /** The overflow series' row, made at need. */
  overflow(): number {
    this.overflowSamples++;
    if (!this.told) {
      this.told = true;
      this.host.overflowed(this);
    }
    if (this.overflowRow < 0) {
      const tuple = this.overflowTuple();
      this.overflowRow = this.table.find(tuple);
      if (this.overflowRow < 0) this.overflowRow = this.claim(tuple);
    }
    if (this.stale[this.overflowRow] === 1) this.revive(this.overflowRow);
    return this.overflowRow;
  }

  /** Text of a label of a row that is not the overflow row. */
  protected labelOf(i: number, j: number): string {
    return this.host.text(this.table.key(i, j));
  }

  protected overflowTuple(): number[] {
    return new Array<number>(this.table.width).fill(OVERFLOW_LABEL);
  }

  /** Makes room in the subclass's arrays. */
  protected grow(capacity: number): void {
    this.values = resized(this.values, capacity);
    this.times = resized(this.times, capacity);
    this.stale = resized(this.stale, capacity);
  }

  /** Zeroes what a row holds. */
  protected reset(row: number): void {
    this.values[row] = 0;
  }

  protected create(tuple: ArrayLike<number>): number {
    if (this.count >= this.maxSeries) return this.overflow();
    return this.claim(tuple);
  }

  private claim(tuple: ArrayLike<number>): number {
    const row = this.table.insert(tuple);
    if (row >= this.values.length) this.grow(this.table.capacity);
    this.reset(row);
    this.times[row] = this.host.now();
    return row;
  }

  private revive(row: number): void {
    this.stale[row] = 0;
    this.staleCount--;
    this.reset(row);
    this.times[row] = this.host.now();
  }
}
