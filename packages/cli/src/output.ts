import { table, wantsColour, painter, type Column, type Paint } from '@retina/agent/terminal';

export type Format = 'table' | 'wide' | 'json' | 'yaml';
export const FORMATS: readonly Format[] = ['table', 'wide', 'json', 'yaml'];

/** A column that `-o wide` adds carries `wide: true`. */
export type OutputColumn<R> = Column<R> & { readonly wide?: boolean };

/** Columns to fit a table into: those of the terminal, or 0 (never cut) elsewhere and for `-o wide`. */
export function outputWidth(format: Format): number {
  return process.stdout.isTTY && format !== 'wide' ? process.stdout.columns || 80 : 0;
}

export function paint(stream: { readonly isTTY?: boolean } = process.stdout): Paint {
  return painter(wantsColour(stream));
}

export function write(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : text + '\n');
}

/** A document as JSON or YAML. */
export async function writeDocument(document: unknown, format: 'json' | 'yaml'): Promise<void> {
  if (format === 'json') return write(JSON.stringify(document, null, 2));
  const { stringify } = await import('yaml');
  write(stringify(document));
}

export function columnsFor<R>(columns: readonly OutputColumn<R>[], format: Format): readonly Column<R>[] {
  return format === 'wide' ? columns : columns.filter((column) => !column.wide);
}

export function tableText<R>(columns: readonly OutputColumn<R>[], rows: readonly R[], format: Format): string {
  return table(columnsFor(columns, format), rows, { width: outputWidth(format) }).join('\n');
}

/** Ends quietly when the reader of our output goes away (`retina flows | head`). */
export function endOnBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}
