/** Last delivered state of one family's series, by row: what the next delta starts from. */
export class FamilyDeltas {
  /** Numbers per series: one, or a histogram's counts and sum. */
  readonly width: number;
  private rows = 64;
  private created = new Float64Array(64).fill(NaN);
  private until = new Float64Array(64);
  private values: Float64Array;

  constructor(width: number) {
    this.width = width;
    this.values = new Float64Array(64 * width);
  }

  /** Whether this row's series was delivered before; a row that has a new owner was not. */
  knows(row: number, created: number): boolean {
    return row < this.rows && this.created[row] === created;
  }

  /** End of the last delivered interval. */
  time(row: number): number {
    return this.until[row]!;
  }

  value(row: number, at: number): number {
    return this.values[row * this.width + at]!;
  }

  delivered(row: number, created: number, until: number, values: ArrayLike<number>): void {
    if (row >= this.rows) this.grow(row + 1);
    this.created[row] = created;
    this.until[row] = until;
    this.values.set(values, row * this.width);
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

/** What was delivered, by family. */
export class Deltas {
  private families = new Map<string, FamilyDeltas>();

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
