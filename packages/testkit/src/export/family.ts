import type { MetricFamily } from '@retina/sdk';

/** One series: its label values, in the family's order, and its value. */
export type FamilyRow = readonly [labels: readonly string[], value: number];

/** A family of given rows, as an exporter reads it: a gauge without a unit, made at a fixed time, unless `more` says otherwise. */
export function family(
  name: string,
  labels: readonly string[],
  rows: readonly FamilyRow[],
  more: Partial<MetricFamily> = {},
): MetricFamily {
  return {
    name, help: `Help of ${name}.`, kind: 'gauge', unit: undefined, labels, size: rows.length,
    live: () => true, value: (i) => rows[i]![1], label: (i, j) => rows[i]![0][j]!, created: () => 1_700_000_000_000, ...more,
  }; // prettier-ignore
}
