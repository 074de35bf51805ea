import { clean, fit, type Column } from '@retina/agent/terminal';

const GAP = '  ';
/** Room kept for a column of fixed width that has had no long cell yet. */
const TYPICAL = 7;

/** A table whose rows come one by one: columns grow when a wider cell comes, and never shrink again. */
export class StreamTable<R> {
  private readonly columns: readonly Column<R>[];
  private readonly limit: number;
  private readonly widths: number[];
  private started = false;

  /** `limit`: columns of the terminal, 0 to cut nothing. */
  constructor(columns: readonly Column<R>[], limit: number) {
    this.columns = columns;
    this.limit = limit;
    this.widths = columns.map((column) => column.title.length);
  }

  /** The row's line, before the first one the titles'. */
  lines(row: R): string[] {
    const cells = this.columns.map((column) => clean(String(column.value(row))));
    const cap = this.cap();
    cells.forEach((cell, i) => {
      const most = this.columns[i]!.shrinkTo === undefined || i === cells.length - 1 ? Infinity : cap;
      this.widths[i] = Math.max(this.widths[i]!, Math.min(cell.length, most));
    });
    const titles = this.started ? [] : [this.line(this.columns.map((column) => column.title))];
    this.started = true;
    return [...titles, this.line(cells)];
  }

  /** What a shrinkable column may take: an equal share of what the others leave; the last one is cut at the edge. */
  private cap(): number {
    if (!this.limit) return Infinity;
    const last = this.columns.length - 1;
    const shares = this.columns.filter((column, i) => i < last && column.shrinkTo !== undefined);
    const fixed = this.columns.reduce((sum, column, i) => {
      if (i === last) return sum + (column.shrinkTo ?? this.widths[i]!);
      return column.shrinkTo === undefined ? sum + Math.max(this.widths[i]!, TYPICAL) : sum;
    }, 0);
    const room = this.limit - fixed - GAP.length * last;
    return Math.max(...shares.map((column) => column.shrinkTo!), Math.floor(room / Math.max(1, shares.length)));
  }

  private line(cells: readonly string[]): string {
    const text = cells.map((cell, i) => {
      const width = this.widths[i]!;
      return this.columns[i]!.align === 'right' ? cell.padStart(width) : fit(cell, width).padEnd(width);
    });
    const whole = text.join(GAP).trimEnd();
    return this.limit ? fit(whole, this.limit) : whole;
  }
}
