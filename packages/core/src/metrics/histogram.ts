import type { Buckets, Histogram } from '@retina/sdk';
import { BucketStore, type HistogramValue, refuseObservation } from './buckets.ts';
import { Family, type FamilyDescription, type FamilyHost } from './family.ts';
import { resized } from './series-table.ts';

/** A family of histograms and the instrument that writes to it. One subclass per number of labels, as for counters. */
export abstract class HistogramFamily extends Family implements Histogram<number[]> {
  private readonly buckets: BucketStore;
  /** By row: totals of the last `set`, counts by bucket and then the sum. Only where totals are set. */
  private totals: Float64Array | undefined;

  constructor(host: FamilyHost, description: FamilyDescription, buckets: Buckets) {
    super(host, description);
    this.buckets = new BucketStore(buckets, this.values.length);
  }

  abstract observe(value: number, ...labels: number[]): void;

  set(counts: ArrayLike<number>, sum: number, ...labels: number[]): void {
    const { width } = this.buckets;
    this.buckets.check(this.name, counts, sum);
    const row = this.row(labels);
    const cells = width + 1;
    this.totals ??= new Float64Array(this.values.length * cells);
    const { totals } = this;
    const at = row * cells;
    let restarted = sum < totals[at + width]!;
    for (let b = 0; b < width && !restarted; b++) restarted = counts[b]! < totals[at + b]!;
    if (restarted) totals.fill(0, at, at + cells);
    for (let b = 0; b < width; b++) {
      this.buckets.add(row, b, counts[b]! - totals[at + b]!);
      totals[at + b] = counts[b]!;
    }
    this.values[row]! += sum - totals[at + width]!;
    totals[at + width] = sum;
  }

  /** Totals kept elsewhere start from zero again, even if the next ones are larger than the last. */
  restarted(): void {
    this.totals?.fill(0);
  }

  histogram(i: number): HistogramValue {
    return this.buckets.read(i, this.values[i]!);
  }

  protected put(row: number, value: number): void {
    this.buckets.observe(row, value);
    this.values[row]! += value;
  }

  protected override grow(capacity: number): void {
    super.grow(capacity);
    this.buckets.grow(capacity);
    if (this.totals) this.totals = resized(this.totals, capacity * (this.buckets.width + 1));
  }

  protected override reset(row: number): void {
    super.reset(row);
    this.buckets.reset(row);
    const cells = this.buckets.width + 1;
    this.totals?.fill(0, row * cells, (row + 1) * cells);
  }
}

class Histogram0 extends HistogramFamily {
  override observe(value: number): void {
    if (Number.isNaN(value)) refuseObservation(this.name, value);
    this.put(0, value);
  }
}

class Histogram1 extends HistogramFamily {
  override observe(value: number, a: number): void {
    if (Number.isNaN(value)) refuseObservation(this.name, value);
    const row = this.table.find1(a);
    this.put(row >= 0 && !this.isStale(row) ? row : this.row([a]), value);
  }
}

class Histogram2 extends HistogramFamily {
  override observe(value: number, a: number, b: number): void {
    if (Number.isNaN(value)) refuseObservation(this.name, value);
    const row = this.table.find2(a, b);
    this.put(row >= 0 && !this.isStale(row) ? row : this.row([a, b]), value);
  }
}

class HistogramN extends HistogramFamily {
  override observe(value: number, ...labels: number[]): void {
    if (Number.isNaN(value)) refuseObservation(this.name, value);
    this.put(this.row(labels), value);
  }
}

/** The histogram of a description. Without labels its only series is there from the start. */
export function histogramFamily(host: FamilyHost, description: FamilyDescription, buckets: Buckets): HistogramFamily {
  const Kind = [Histogram0, Histogram1, Histogram2][description.labels.length] ?? HistogramN;
  const family = new Kind(host, description, buckets);
  if (description.labels.length === 0) family.row([]);
  return family;
}
