import { EventEmitter } from 'node:events';
import type { WriteStream } from 'node:tty';
import { expect, test } from 'vitest';
import { showLive } from './live.ts';

/** What a terminal shows of what was written: only what the live screen uses, with the cursor held at the last column. */
class Terminal extends EventEmitter {
  readonly isTTY = true;
  readonly columns = 10;
  readonly rows = 3;
  lines: string[] = ['old', 'old', 'old'];

  write(text: string): void {
    let row = 0;
    let column = 0;
    for (const [token, code] of text.matchAll(/\u001b\[\??\d*([A-Za-z])|\n|[^\u001b\n]/g)) {
      if (code === 'H') row = column = 0;
      else if (code === 'K') this.lines[row] = this.lines[row]!.slice(0, column);
      else if (code === 'J')
        this.lines = this.lines.map((line, i) => (i < row ? line : i === row ? line.slice(0, column) : ''));
      else if (token === '\n') [row, column] = [Math.min(row + 1, this.rows - 1), 0];
      else if (code === undefined) {
        this.lines[row] = this.lines[row]!.slice(0, column) + token + this.lines[row]!.slice(column + 1);
        column = Math.min(column + 1, this.columns - 1);
      }
    }
  }
}

test('a line as wide as the terminal keeps its last column, and what stood there before goes', () => {
  const terminal = new Terminal();
  let shown = ['0123456789', 'second', 'third'];
  const screen = showLive(terminal as unknown as WriteStream, 60_000, () => shown);
  expect(terminal.lines).toEqual(['0123456789', 'second', 'third']);
  shown = ['9876543210', '2nd'];
  terminal.emit('resize');
  expect(terminal.lines).toEqual(['9876543210', '2nd', '']);
  screen[Symbol.dispose]();
});
