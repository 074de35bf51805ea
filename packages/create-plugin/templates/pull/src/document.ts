import type { MetricFamily, MetricReader } from '@retina/sdk';

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Of counters and gauges. */
  readonly value?: number;
  /** Of histograms. */
  readonly histogram?: ReturnType<NonNullable<MetricFamily['histogram']>>;
}

/** Every living series by family. */
export function documentOf(reader: MetricReader): Readonly<Record<string, readonly Series[]>> {
  const document: Record<string, Series[]> = {};
  for (const family of reader.families()) {
    const all: Series[] = [];
    for (let i = 0; i < family.size; i++) {
      if (!family.live(i)) continue;
      const labels = Object.fromEntries(family.labels.map((name, j) => [name, family.label(i, j)]));
      const histogram = family.histogram?.(i);
      all.push(histogram ? { labels, histogram } : { labels, value: family.value(i) });
    }
    document[family.name] = all;
  }
  return document;
}
