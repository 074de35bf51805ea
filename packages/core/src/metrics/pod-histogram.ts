import type { Buckets, FlowBatch, PodHistogram } from '@retina/sdk';
import { BucketStore, type HistogramValue, refuseObservation } from './buckets.ts';
import type { FamilyDescription, FamilyHost } from './family.ts';
import { PodInstrument, PodSeries } from './pod-family.ts';
import type { PodView } from './pod-view.ts';

/** Samples of a pod-level histogram under one configuration. */
export class PodHistogramSeries extends PodSeries {
  private readonly buckets: BucketStore;

  constructor(host: FamilyHost, description: FamilyDescription, view: PodView, ttlMs: number, buckets: Buckets) {
    super(host, description, view, ttlMs);
    this.buckets = new BucketStore(buckets, this.values.length);
  }

  put(row: number, value: number): void {
    this.buckets.observe(row, value);
    this.values[row]! += value;
  }

  add(row: number, counts: ArrayLike<number>, sum: number): void {
    for (let b = 0; b < counts.length; b++) this.buckets.add(row, b, counts[b]!);
    this.values[row]! += sum;
  }

  check(counts: ArrayLike<number>, sum: number): void {
    this.buckets.check(this.name, counts, sum);
  }

  histogram(i: number): HistogramValue {
    return this.buckets.read(i, this.values[i]!);
  }

  protected override grow(capacity: number): void {
    super.grow(capacity);
    this.buckets.grow(capacity);
  }

  protected override reset(row: number): void {
    super.reset(row);
    this.buckets.reset(row);
  }
}

/** Observes at the series that a flow record counts for; otherwise as pod-level counters. */
export abstract class PodHistogramInstrument
  extends PodInstrument<PodHistogramSeries>
  implements PodHistogram<number[]>
{
  private readonly buckets: Buckets;

  constructor(name: string, clock: { time: number }, buckets: Buckets) {
    super(name, clock);
    this.buckets = buckets;
  }

  abstract observe(value: number, batch: FlowBatch, row: number, ...labels: number[]): void;

  add(counts: ArrayLike<number>, sum: number, batch: FlowBatch, row: number, ...labels: number[]): void {
    const { series } = this;
    if (!series || batch.aside(row)) return;
    series.check(counts, sum);
    for (let i = 0; i < labels.length; i++) series.tuple[i + 1] = labels[i]!;
    const at = series.atN(batch, row, this.clock.time);
    if (at >= 0) series.add(at, counts, sum);
  }

  override open(host: FamilyHost, description: FamilyDescription, view: PodView, ttlMs: number): PodHistogramSeries {
    return new PodHistogramSeries(host, description, view, ttlMs, this.buckets);
  }

  /** The series to observe at, unless the family is switched off. */
  protected take(value: number): PodHistogramSeries | undefined {
    if (Number.isNaN(value)) refuseObservation(this.name, value);
    return this.series;
  }
}

class PodHistogram0 extends PodHistogramInstrument {
  override observe(value: number, batch: FlowBatch, row: number): void {
    const series = this.take(value);
    const at = series ? series.at0(batch, row, this.clock.time) : -1;
    if (at >= 0) series!.put(at, value);
  }
}

class PodHistogram1 extends PodHistogramInstrument {
  override observe(value: number, batch: FlowBatch, row: number, label: number): void {
    const series = this.take(value);
    const at = series ? series.at1(batch, row, this.clock.time, label) : -1;
    if (at >= 0) series!.put(at, value);
  }
}

class PodHistogram2 extends PodHistogramInstrument {
  override observe(value: number, batch: FlowBatch, row: number, a: number, b: number): void {
    const series = this.take(value);
    const at = series ? series.at2(batch, row, this.clock.time, a, b) : -1;
    if (at >= 0) series!.put(at, value);
  }
}

class PodHistogramN extends PodHistogramInstrument {
  override observe(value: number, batch: FlowBatch, row: number, ...labels: number[]): void {
    const series = this.take(value);
    if (!series) return;
    for (let i = 0; i < labels.length; i++) series.tuple[i + 1] = labels[i]!;
    const at = series.atN(batch, row, this.clock.time);
    if (at >= 0) series.put(at, value);
  }
}

/** The histogram for a family with so many labels of its own. */
export function podHistogram(
  name: string,
  labels: number,
  clock: { time: number },
  buckets: Buckets,
): PodHistogramInstrument {
  return new ([PodHistogram0, PodHistogram1, PodHistogram2][labels] ?? PodHistogramN)(name, clock, buckets);
}
