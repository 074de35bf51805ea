/**
 * What an exporter that reports differences has delivered of one family: by row, the values and the time up to which they count. Rows are
 * those of a {@link MetricFamily}; a row that has a new owner is told by its time of creation.
 */
export class FamilyDeltas {
  /** Numbers per series: one of a counter; a histogram's counts by bucket and its sum. */
  readonly width: number;
  private rows = 64;
  private created = new Float64Array(64).fill(NaN);
  private until = new Float64Array(64);
  private values: Float64Array;

  constructor(width: number) {
    this.width = width;
    this.values = new Float64Array(64 * width);
  }

  /** Whether this row's series was delivered before. `created` is what the family says of the row now. */
  knows(row: number, created: number): boolean {
    return row < this.rows && this.created[row] === created;
  }

  /** End of the interval delivered last, in milliseconds since the Unix epoch. Only of a row that is known. */
  time(row: number): number {
    return this.until[row]!;
  }

  /** Total delivered last, 0 ≤ at < width. Only of a row that is known. */
  value(row: number, at: number): number {
    return this.values[row * this.width + at]!;
  }

  /** These totals have arrived, or are lost for good and counted: the next difference starts from them. */
  delivered(row: number, created: number, until: number, totals: ArrayLike<number>): void {
    if (row >= this.rows) this.grow(row + 1);
    this.created[row] = created;
    this.until[row] = until;
    this.values.set(totals, row * this.width);
  }

  private grow(needed: number): void {
    const rows = Math.max(needed, this.rows * 2);
    const created = new Float64Array(rows).fill(NaN);
    created.set(this.created);
    const until = new Float64Array(rows);
    until.set(this.until);
    const values = new Float64Array(rows * this.width);
    values.set(this.values);
    this.rows = rows;
    this.created = created;
    this.until = until;
    this.values = values;
  }
}

/** The same of every family, for exporters whose receiver wants differences and not totals (delta temporality). */
export class MetricDeltas {
  private readonly families = new Map<string, FamilyDeltas>();

  /** Of the family of this name; one whose `width` has changed begins anew. */
  of(name: string, width: number): FamilyDeltas {
    let deltas = this.families.get(name);
    if (deltas?.width !== width) {
      deltas = new FamilyDeltas(width);
      this.families.set(name, deltas);
    }
    return deltas;
  }

  /** Forgets the families that are no more. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.families.keys()) if (!names.has(name)) this.families.delete(name);
  }
}
