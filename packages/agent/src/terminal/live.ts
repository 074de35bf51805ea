import type { WriteStream } from 'node:tty';
import { wantsColour } from './text.ts';

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';

export interface LiveSize {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

/**
 * Shows what `render` returns on the terminal's alternate screen, each `ms` milliseconds and after each change of its
 * size. Disposing of it, and the end of the process by whatever way JavaScript sees, brings the old screen back.
 */
export function showLive(out: WriteStream, ms: number, render: (size: LiveSize) => readonly string[]): Disposable {
  const colour = wantsColour(out);
  let left = false;
  const draw = () => {
    if (left) return;
    const columns = out.columns || 80;
    const rows = out.rows || 24;
    // Wider lines than the terminal has would wrap and push the rest down; the terminal cuts them instead.
    const lines = render({ columns, rows, colour });
    // Cleared before it is written: after a full line the cursor stands on the last column, and would clear that.
    const text = lines.map((line) => CLEAR_LINE + line).join('\n');
    out.write(NO_WRAP + HOME + text + (lines.length < rows ? '\n' + CLEAR_BELOW : '') + WRAP);
  };
  const leave = () => {
    if (left) return;
    left = true;
    clearInterval(timer);
    out.off('resize', draw);
    process.off('exit', leave);
    out.write(LEAVE);
  };
  out.write(ENTER);
  const timer = setInterval(draw, ms);
  out.on('resize', draw);
  process.on('exit', leave);
  draw();
  return { [Symbol.dispose]: leave };
}
