import type { MetricFamily, MetricReader } from '@retina/sdk';

/** Every living series as a line of JSON, in texts of `size` lines. Made one at a time: no more than one is in memory. */
export function* linesOf(reader: MetricReader, size: number): Generator<string> {
  let lines: string[] = [];
  for (const family of reader.families()) {
    for (let i = 0; i < family.size; i++) {
      if (!family.live(i)) continue;
      lines.push(lineOf(family, i));
      if (lines.length < size) continue;
      yield `${lines.join('\n')}\n`;
      lines = [];
    }
  }
  if (lines.length) yield `${lines.join('\n')}\n`;
}

function lineOf(family: MetricFamily, i: number): string {
  const labels = Object.fromEntries(family.labels.map((name, j) => [name, family.label(i, j)]));
  const value = family.kind === 'histogram' ? { ...family.histogram?.(i) } : { value: family.value(i) };
  return JSON.stringify({ name: family.name, kind: family.kind, labels, ...value });
}
