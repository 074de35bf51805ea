import type { Buckets, ExponentialBuckets } from './metrics.ts';

/** Upper bounds of a histogram's buckets, ascending, without +Inf, and how they were made if they are exponential. */
export interface BucketBounds {
  readonly bounds: readonly number[];
  /** Bound i is 2^((first + i) / 2^scale). */
  readonly exponential?: { readonly scale: number; readonly first: number };
}

/** More bounds than that are a mistake: every series has a counter for each. */
const MAX_BOUNDS = 320;
/** Steps a bound may lie beside a power of the base and still be one: a logarithm is not exact. */
const NEAR = 1e-9;

/**
 * The bounds a declaration stands for. Whoever counts in buckets elsewhere and hands over totals (`Histogram.set`) learns
 * from it how many there are: one more than bounds. Throws RangeError where `from` and `to` make none, or more than 320.
 */
export function bucketBounds(buckets: Buckets): BucketBounds {
  if (isExplicit(buckets)) return { bounds: buckets };
  const { scale, from, to } = buckets;
  const perDoubling = 2 ** scale;
  const first = Math.floor(Math.log2(from) * perDoubling + NEAR);
  const last = Math.ceil(Math.log2(to) * perDoubling - NEAR);
  const count = last - first + 1;
  if (!(from > 0 && to >= from && Number.isInteger(count) && count <= MAX_BOUNDS && scale >= 0 && scale <= 3)) {
    throw new RangeError(
      `exponential buckets from ${from} to ${to} at scale ${scale} are not 1 to ${MAX_BOUNDS} bounds`,
    );
  }
  const bounds = Array.from({ length: count }, (_, i) => 2 ** ((first + i) / perDoubling));
  return { bounds, exponential: { scale, first } };
}

function isExplicit(buckets: Buckets): buckets is Exclude<Buckets, ExponentialBuckets> {
  return Array.isArray(buckets);
}
