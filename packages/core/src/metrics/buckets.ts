import { bucketBounds, type Buckets, RetinaError } from '@retina/sdk';
import { resized } from './series-table.ts';

/** One histogram as exporters see it. */
export interface HistogramValue {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
  readonly exponential?: { readonly scale: number; readonly first: number };
}

/** A number and its bits, the upper half second. */
const number = new Float64Array(1);
const words = new Uint32Array(number.buffer);

/** The buckets of every series of a family: counts by row, not cumulative; the last one of a row is +Inf. */
export class BucketStore {
  readonly bounds: readonly number[];
  /** Buckets of a row, +Inf included. */
  readonly width: number;
  private readonly exponential: HistogramValue['exponential'];
  /** The bounds once more, where they are compared quickest. */
  private readonly sorted: Float64Array;
  /** By a value's binary exponent: the first bucket it may be in. A search would mispredict at every step. */
  private readonly start = new Uint16Array(2048);
  private counts: Float64Array;

  constructor(buckets: Buckets, rows: number) {
    const { bounds, exponential } = bucketBounds(buckets);
    this.bounds = bounds;
    this.exponential = exponential;
    this.sorted = Float64Array.from(bounds);
    for (let exponent = 1, bucket = 0; exponent < 2048; exponent++) {
      while (bucket < bounds.length && bounds[bucket]! < 2 ** (exponent - 1023)) bucket++;
      this.start[exponent] = bucket;
    }
    this.width = bounds.length + 1;
    this.counts = new Float64Array(rows * this.width);
  }

  /** Counts one observation; bounds belong to their bucket. */
  observe(row: number, value: number): void {
    const { sorted, start } = this;
    let bucket = 0;
    if (value > 0) {
      number[0] = value;
      bucket = start[words[1]! >>> 20]!; // no sign, so that is the exponent alone
    }
    while (bucket < sorted.length && value > sorted[bucket]!) bucket++;
    this.counts[row * this.width + bucket]!++;
  }

  /** Refuses what cannot be counts of these buckets and their sum. */
  check(name: string, counts: ArrayLike<number>, sum: number): void {
    if (counts.length !== this.width) {
      throw new RetinaError('RETINA_METRIC_INVALID', `the metric ${name} cannot take these counts`, {
        found: `${counts.length} of them`,
        needed: `${this.width}: one for each bound, and +Inf`,
        next: 'ask bucketBounds of @retina/sdk how many bounds the declaration has',
      });
    }
    if (Number.isNaN(sum)) refuseObservation(name, sum);
    for (let b = 0; b < counts.length; b++) if (!(counts[b]! >= 0)) refuseObservation(name, counts[b]!);
  }

  add(row: number, bucket: number, count: number): void {
    this.counts[row * this.width + bucket]! += count;
  }

  read(row: number, sum: number): HistogramValue {
    const at = row * this.width;
    const counts = new Array<number>(this.width);
    let total = 0;
    for (let b = 0; b < this.width; b++) counts[b] = total += this.counts[at + b]!;
    return { bounds: this.bounds, counts, sum, ...(this.exponential && { exponential: this.exponential }) };
  }

  grow(rows: number): void {
    this.counts = resized(this.counts, rows * this.width);
  }

  reset(row: number): void {
    this.counts.fill(0, row * this.width, (row + 1) * this.width);
  }
}

export function refuseObservation(name: string, value: number): never {
  throw new RetinaError('RETINA_METRIC_INVALID', `the metric ${name} cannot take this value`, {
    found: String(value),
    needed: 'any number for an observation, counts of at least 0 for what was counted elsewhere',
    next: 'leave out what could not be measured',
  });
}
