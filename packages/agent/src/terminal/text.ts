/** Text for terminals: units, widths and colours. Everything from packets or files passes through {@link clean} first. */

/** Replaces control characters, which a hostile name could use to drive the terminal. */
export function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}

/** A message of several lines on one. */
export function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' | ');
}

/** Cuts to `width` columns, the last one an ellipsis. */
export function fit(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 1 ? text.slice(0, Math.max(0, width)) : text.slice(0, width - 1) + '…';
}

/** 1536 → "1.5 kB": decimal units, at most four significant characters. */
export function bytes(value: number): string {
  return scaled(value, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);
}

/** 12345 → "12.3 k". */
export function count(value: number): string {
  return scaled(value, ['', 'k', 'M', 'G', 'T']).trimEnd();
}

function scaled(value: number, units: readonly string[]): string {
  let at = 0;
  while (Math.abs(value) >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  const digits = at === 0 ? (Number.isInteger(value) || value >= 100 ? 0 : 1) : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[at]}`;
}

/** 93784 → "1d2h", kubectl's way: at most two units. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 120) return `${s}s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return s % 60 && minutes < 10 ? `${minutes}m${s % 60}s` : `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 && hours < 10 ? `${hours}h${minutes % 60}m` : `${hours}h`;
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 10 ? `${days}d${hours % 24}h` : `${days}d`;
}

export interface Paint {
  (style: Style, text: string): string;
}
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const CODES: Readonly<Record<Style, string>> = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
};

/** A painter that colours, or one that leaves text alone. */
export function painter(colour: boolean): Paint {
  return colour ? (style, text) => (text ? `\u001b[${CODES[style]}m${text}\u001b[0m` : '') : (_style, text) => text;
}

/** Whether to colour what goes to `stream`: a terminal, no NO_COLOR (no-color.org), no dumb terminal. */
export function wantsColour(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** Columns a painted text takes. */
export function visibleLength(text: string): number {
  return text.replace(/\u001b\[[0-9;]*m/g, '').length;
}
