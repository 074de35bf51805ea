import { clean, fit } from './text.ts';

export interface Column<R> {
  readonly title: string;
  readonly value: (row: R) => string | number;
  /** Numbers read better on the right. Default left. */
  readonly align?: 'left' | 'right';
  /** May be cut with an ellipsis, down to this many columns, when the table is too wide. Without it the column keeps its width. */
  readonly shrinkTo?: number;
}

export interface TableOptions {
  /** Columns of the terminal; 0 (the default) means that nothing is ever cut, as for a pipe. */
  readonly width?: number;
  readonly header?: boolean;
}

const GAP = 3;

/** Rows as an aligned table in kubectl's manner: upper-case titles, three spaces between, no lines. */
export function table<R>(columns: readonly Column<R>[], rows: readonly R[], options: TableOptions = {}): string[] {
  const cells = rows.map((row) => columns.map((column) => clean(String(column.value(row)))));
  const titles = options.header === false ? [] : [columns.map((c) => c.title)];
  const all = [...titles, ...cells];
  const widths = columns.map((_, i) => all.reduce((most, line) => Math.max(most, line[i]!.length), 0));
  if (options.width) shrink(columns, widths, options.width);
  return all.map((line) =>
    line
      .map((cell, i) => {
        const text = fit(cell, widths[i]!);
        return columns[i]!.align === 'right' ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

/** Takes columns from the widest shrinkable cell until the table fits or nothing can give. */
function shrink<R>(columns: readonly Column<R>[], widths: number[], limit: number): void {
  let excess = widths.reduce((sum, w) => sum + w, 0) + GAP * (widths.length - 1) - limit;
  while (excess > 0) {
    let widest = -1;
    columns.forEach((column, i) => {
      if (column.shrinkTo === undefined || widths[i]! <= Math.max(column.shrinkTo, column.title.length)) return;
      if (widest < 0 || widths[i]! > widths[widest]!) widest = i;
    });
    if (widest < 0) return;
    widths[widest]!--;
    excess--;
  }
}
