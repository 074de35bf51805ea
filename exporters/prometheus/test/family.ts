import type { MetricFamily } from '@retina/sdk';

export type Row = readonly [labels: readonly string[], value: number];

/** A family of given rows. */
export function family(
  name: string,
  labels: readonly string[],
  rows: readonly Row[],
  more: Partial<MetricFamily> = {},
): MetricFamily {
  return {
    name, help: `Help of ${name}.`, kind: 'gauge', unit: undefined, labels, size: rows.length,
    live: () => true, value: (i) => rows[i]![1], label: (i, j) => rows[i]![0][j]!, created: () => 0, ...more,
  }; // prettier-ignore
}
