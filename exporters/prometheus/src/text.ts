import type { MetricFamily, MetricReader } from '@retina/sdk';
import type { Format } from './negotiate.ts';

export type TextFormat = Exclude<Format, 'protobuf'>;

/** Lines rendered in one piece, and rows looked at for it: about half a millisecond. */
const LINES = 256;
const ROWS = 4096;

/**
 * The Prometheus text format 0.0.4 or OpenMetrics 1.0, piece by piece, so that the caller may pause between pieces. A family
 * without samples is left out. Sample names and label values are the same in both.
 */
export function* renderText(
  reader: MetricReader,
  format: TextFormat = 'text',
  names: readonly string[] = [],
): Generator<string> {
  const wanted = names.length > 0 ? new Set(names) : undefined;
  for (const family of reader.families()) {
    if (!wanted || isWanted(family, wanted)) yield* renderFamily(family, format);
    else yield '';
  }
  if (format === 'openmetrics') yield '# EOF\n';
}

/** A family is asked for by its own name, or by that of one of its samples. */
export function isWanted({ name, kind }: MetricFamily, wanted: ReadonlySet<string>): boolean {
  if (wanted.has(name) || (kind === 'counter' && wanted.has(name.replace(/_total$/, '')))) return true;
  return kind === 'histogram' && ['_bucket', '_sum', '_count'].some((suffix) => wanted.has(name + suffix));
}

/** OpenMetrics knows counters by names that end in _total alone. What the original calls otherwise is of unknown type there, under its own name. */
function headOf(family: MetricFamily, format: TextFormat): string {
  const { name, kind, unit } = family;
  if (format === 'text') return `# HELP ${name} ${escapeHelp(family.help)}\n# TYPE ${name} ${kind}\n`;
  const counter = kind === 'counter';
  const total = counter && name.endsWith('_total');
  const base = total ? name.slice(0, -'_total'.length) : name;
  const type = counter && !total ? 'unknown' : kind;
  const unitLine = unit && base.endsWith(`_${unit}`) ? `# UNIT ${base} ${unit}\n` : '';
  return `# TYPE ${base} ${type}\n${unitLine}# HELP ${base} ${escapeLabel(family.help)}\n`;
}

function* renderFamily(family: MetricFamily, format: TextFormat): Generator<string> {
  const { name, kind, labels } = family;
  const histogram = kind === 'histogram' && family.histogram !== undefined;
  const before = labels.map((label, i) => `${i === 0 ? '' : ','}${label}="`);
  let head = headOf(family, format);
  let text = '';
  let lines = 0;
  for (let i = 0; i < family.size; i++) {
    if (i % ROWS === ROWS - 1) yield '';
    if (!family.live(i)) continue;
    text += head;
    head = '';
    lines++;
    if (histogram) {
      const { bounds, counts, sum } = family.histogram!(i);
      text += renderHistogram(family, i, before, bounds, counts, sum);
      lines += counts.length + 1;
    } else if (labels.length === 0) text += `${name} ${formatValue(family.value(i))}\n`;
    else text += `${name}{${pairs(family, i, before)}} ${formatValue(family.value(i))}\n`;
    if (lines >= LINES) {
      yield text;
      text = '';
      lines = 0;
    }
  }
  if (text !== '') yield text;
}

function pairs(family: MetricFamily, i: number, before: readonly string[]): string {
  let text = '';
  for (let j = 0; j < before.length; j++) text += `${before[j]!}${escapeLabel(family.label(i, j))}"`;
  return text;
}

function renderHistogram(
  family: MetricFamily,
  i: number,
  before: readonly string[],
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
): string {
  const { name } = family;
  const own = pairs(family, i, before);
  const comma = own === '' ? '' : ',';
  let text = '';
  for (let b = 0; b < counts.length; b++) {
    const bound = b < bounds.length ? formatValue(bounds[b]!) : '+Inf';
    text += `${name}_bucket{${own}${comma}le="${bound}"} ${formatValue(counts[b]!)}\n`;
  }
  const labels = own === '' ? '' : `{${own}}`;
  return `${text}${name}_sum${labels} ${formatValue(sum)}\n${name}_count${labels} ${formatValue(counts.at(-1) ?? 0)}\n`;
}

/** A sample value as Go's ParseFloat reads it. */
export function formatValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

const SPECIAL = /[\\"\n]/;

/** A label value between quotes: backslash, quote and line feed are escaped, every other character stands for itself. */
export function escapeLabel(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
