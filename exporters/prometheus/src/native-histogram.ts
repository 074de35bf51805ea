import type { MetricFamily } from '@retina/sdk';

type Distribution = ReturnType<NonNullable<MetricFamily['histogram']>>;

/** A histogram as Prometheus has it natively: spans of buckets and the differences of their counts. */
export interface NativeHistogram {
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  /** Empty buckets before it, counted from the last span's end, and how many follow. */
  readonly spans: readonly { readonly offset: number; readonly length: number }[];
  readonly deltas: readonly number[];
}

/**
 * Undefined where the bounds are not exponential. What is at most the lowest bound is in the zero bucket; what is above the highest is
 * in the bucket after it, since there is none without an end.
 */
export function nativeHistogram({ counts, sum, exponential }: Distribution): NativeHistogram | undefined {
  if (!exponential) return undefined;
  const spans: { offset: number; length: number }[] = [];
  const deltas: number[] = [];
  let end: number | undefined; // index after the last bucket of the last span
  let last = 0;
  for (let i = 1; i < counts.length; i++) {
    const count = counts[i]! - counts[i - 1]!;
    if (count === 0) continue;
    const index = exponential.first + i;
    if (index === end) spans.at(-1)!.length++;
    else spans.push({ offset: index - (end ?? 0), length: 1 });
    deltas.push(count - last);
    last = count;
    end = index + 1;
  }
  return {
    schema: exponential.scale,
    zeroThreshold: 2 ** (exponential.first / 2 ** exponential.scale),
    zeroCount: counts[0]!,
    count: counts.at(-1)!,
    sum,
    spans,
    deltas,
  };
}
