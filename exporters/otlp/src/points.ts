import type { Attributes, HrTime } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type ExponentialHistogram,
  type Histogram,
} from '@opentelemetry/sdk-metrics';
import type { FamilyDeltas, MetricFamily } from '@retina/sdk';

import type { FamilyNames } from './naming.ts';

/** Longest attribute value, in UTF-16 units: texts from packets are cut. */
const LONGEST_TEXT = 1024;
/** Nanoseconds since the epoch are 64 bits. */
const LAST_MS = 9_223_372_036_000;

type HistogramReading = ReturnType<NonNullable<MetricFamily['histogram']>>;
export type Point = DataPoint<number> | DataPoint<Histogram> | DataPoint<ExponentialHistogram>;

/** One point and what must be remembered once it is delivered. */
export interface Reading {
  readonly point: Point;
  /** Characters of its attribute values. */
  readonly chars: number;
  readonly remember?: () => void;
}

export interface PointOptions {
  readonly family: MetricFamily;
  readonly names: FamilyNames;
  /** Undefined for cumulative, and for gauges. */
  readonly deltas: FamilyDeltas | undefined;
  readonly exponential: boolean;
}

/** A time in OTLP's range: what lies outside (a record that lies, a clock that jumps) becomes its nearest end, NaN the epoch. */
export function hrTime(time: number): HrTime {
  const ms = time > 0 ? Math.min(time, LAST_MS) : 0;
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))];
}

/** A text as an attribute value: bounded, and without lone surrogates, which UTF-8 does not have. */
export function clean(text: string): string {
  const bounded = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) : text;
  return bounded.isWellFormed() ? bounded : bounded.toWellFormed();
}

export function dataPointType(family: MetricFamily, exponential: boolean): DataPointType {
  if (family.kind === 'gauge') return DataPointType.GAUGE;
  if (family.kind === 'counter') return DataPointType.SUM;
  return exponential ? DataPointType.EXPONENTIAL_HISTOGRAM : DataPointType.HISTOGRAM;
}

export function temporalityOf(deltas: FamilyDeltas | undefined): AggregationTemporality {
  return deltas ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE;
}

/** A live row as a point at time `now`; undefined where there is nothing to say (a delta of zero). */
export function readPoint(options: PointOptions, row: number, now: number): Reading | undefined {
  return options.family.kind === 'histogram' ? readHistogram(options, row, now) : readNumber(options, row, now);
}

function readNumber(options: PointOptions, row: number, now: number): Reading | undefined {
  const { family, deltas } = options;
  const created = family.created(row);
  const total = family.value(row);
  if (!deltas) return attributed(options, row, interval(created, now), total);
  const known = deltas.knows(row, created);
  const before = known ? deltas.value(row, 0) : 0;
  const value = total < before ? total : total - before; // a counter that fell began again
  if (known && value === 0) return undefined;
  const times = interval(known ? deltas.time(row) : created, now);
  return attributed(options, row, times, value, () => deltas.delivered(row, created, times.end, [total]));
}

function readHistogram(options: PointOptions, row: number, now: number): Reading | undefined {
  const { family, deltas, exponential } = options;
  const reading = family.histogram!(row);
  const created = family.created(row);
  const buckets = perBucket(reading.counts);
  const shape = exponential && reading.exponential ? exponentialValue : explicitValue;
  if (!deltas) {
    return attributed(options, row, interval(created, now), shape(reading, buckets, reading.sum));
  }
  const n = buckets.length;
  const totals = [...buckets, reading.sum];
  const known = deltas.knows(row, created) && !buckets.some((count, b) => count < deltas.value(row, b));
  if (known) for (let b = 0; b < n; b++) buckets[b]! -= deltas.value(row, b);
  if (known && buckets.every((count) => count === 0)) return undefined;
  const sum = known ? reading.sum - deltas.value(row, n) : reading.sum;
  const times = interval(known ? deltas.time(row) : created, now);
  return attributed(options, row, times, shape(reading, buckets, sum), () =>
    deltas.delivered(row, created, times.end, totals),
  );
}

/** Cumulative counts as counts by bucket. */
function perBucket(counts: readonly number[]): number[] {
  let before = 0;
  return counts.map((count) => {
    const own = count - before;
    before = count;
    return own;
  });
}

function explicitValue(reading: HistogramReading, buckets: number[], sum: number): Histogram {
  const count = buckets.reduce((a, b) => a + b, 0);
  return { count, sum, buckets: { boundaries: reading.bounds as number[], counts: buckets } };
}

/**
 * Bucket k holds what is above base^k and at most base^(k+1), base being 2^(2^-scale). What lies below the family's lowest bound counts in
 * the bucket that ends there, what lies above its highest in the one that begins there. Empty buckets at either end are left out.
 */
function exponentialValue(reading: HistogramReading, buckets: number[], sum: number): ExponentialHistogram {
  const { scale, first } = reading.exponential!;
  let from = 0;
  let to = buckets.length;
  while (to > 0 && buckets[to - 1] === 0) to--;
  while (from < to && buckets[from] === 0) from++;
  const bucketCounts = buckets.slice(from, to);
  return {
    count: bucketCounts.reduce((a, b) => a + b, 0),
    sum,
    scale,
    zeroCount: 0,
    positive: { offset: bucketCounts.length > 0 ? first - 1 + from : 0, bucketCounts },
    negative: { offset: 0, bucketCounts: [] },
  };
}

/** An interval that never ends before it begins, whatever the clock does. */
function interval(start: number, now: number): { start: number; end: number } {
  return { start, end: Math.max(start, now) };
}

function attributed(
  { family, names }: PointOptions,
  row: number,
  times: { start: number; end: number },
  value: number | Histogram | ExponentialHistogram,
  remember?: () => void,
): Reading {
  const attributes: Attributes = {};
  let chars = 0;
  for (let j = 0; j < names.keys.length; j++) {
    const text = clean(family.label(row, j));
    const translate = names.values[j];
    chars += text.length;
    attributes[names.keys[j]!] = translate ? translate(text) : text;
  }
  const point = { startTime: hrTime(times.start), endTime: hrTime(times.end), attributes, value } as Point;
  return remember ? { point, chars, remember } : { point, chars };
}
