import { formatWords } from '../identity/address.ts';
import { resized, SeriesTable } from '../metrics/series-table.ts';

/** A set of tuples whose rows say how often they changed hands, so that a row remembered elsewhere can be checked. */
export class TurnTable extends SeriesTable {
  /** The tuple `take` is about. */
  readonly tuple: number[];
  private turns = new Uint32Array(8);

  constructor(width: number) {
    super(width);
    this.tuple = new Array<number>(width).fill(0);
  }

  /** How often a row was freed: what was remembered of it before is void. */
  turn(row: number): number {
    return this.turns[row] ?? 0;
  }

  /** The row of `tuple`, added if there is room for it (else -1), and whether it is new. */
  take(max: number): [row: number, fresh: boolean] {
    const known = this.find(this.tuple);
    if (known >= 0) return [known, false];
    if (this.count >= max) return [-1, false];
    const row = this.insert(this.tuple);
    if (row >= this.turns.length) this.turns = resized(this.turns, this.capacity);
    return [row, true];
  }

  override remove(row: number): void {
    if (this.has(row)) this.turns[row]!++;
    super.remove(row);
  }

  /** Rows in the set; removing the one at hand is fine. */
  *rows(): Generator<number> {
    for (let row = 0; row < this.size; row++) if (this.has(row)) yield row;
  }
}

/** Text of an address that stands in four words of a tuple. */
export function addressAt(table: SeriesTable, row: number, at: number): string {
  return formatWords(table.key(row, at), table.key(row, at + 1), table.key(row, at + 2), table.key(row, at + 3));
}
