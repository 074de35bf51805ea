import type { FlowBatch, PodCounter } from '@retina/sdk';
import { RetinaError } from '@retina/sdk';
import type { FamilyDescription, FamilyHost } from './family.ts';
import { PodInstrument, PodSeries } from './pod-family.ts';
import type { PodView } from './pod-view.ts';

/** Adds to the series that a flow record counts for. One subclass per number of labels: a variable one would cost an array per call. */
export abstract class PodCounterInstrument extends PodInstrument implements PodCounter<number[]> {
  abstract add(value: number, batch: FlowBatch, row: number, ...labels: number[]): void;

  override open(host: FamilyHost, description: FamilyDescription, view: PodView, ttlMs: number): PodSeries {
    return new PodSeries(host, description, view, ttlMs);
  }

  /** False for zero, which is no sample. */
  protected counts(value: number): boolean {
    if (value > 0) return this.series !== undefined;
    if (value === 0) return false;
    throw new RetinaError('RETINA_METRIC_INVALID', `the counter ${this.name} cannot take this value`, {
      found: String(value),
      needed: 'a number of at least 0',
      next: 'add what has happened since the last record of the flow',
    });
  }
}

class PodCounter0 extends PodCounterInstrument {
  override add(value: number, batch: FlowBatch, row: number): void {
    if (!this.counts(value)) return;
    const series = this.series!;
    const at = series.at0(batch, row, this.clock.time);
    if (at >= 0) series.values[at]! += value;
  }
}

class PodCounter1 extends PodCounterInstrument {
  override add(value: number, batch: FlowBatch, row: number, label: number): void {
    if (!this.counts(value)) return;
    const series = this.series!;
    const at = series.at1(batch, row, this.clock.time, label);
    if (at >= 0) series.values[at]! += value;
  }
}

class PodCounter2 extends PodCounterInstrument {
  override add(value: number, batch: FlowBatch, row: number, a: number, b: number): void {
    if (!this.counts(value)) return;
    const series = this.series!;
    const at = series.at2(batch, row, this.clock.time, a, b);
    if (at >= 0) series.values[at]! += value;
  }
}

class PodCounterN extends PodCounterInstrument {
  override add(value: number, batch: FlowBatch, row: number, ...labels: number[]): void {
    if (!this.counts(value)) return;
    const series = this.series!;
    for (let i = 0; i < labels.length; i++) series.tuple[i + 1] = labels[i]!;
    const at = series.atN(batch, row, this.clock.time);
    if (at >= 0) series.values[at]! += value;
  }
}

/** The counter for a family with so many labels of its own. */
export function podCounter(name: string, labels: number, clock: { time: number }): PodCounterInstrument {
  return new ([PodCounter0, PodCounter1, PodCounter2][labels] ?? PodCounterN)(name, clock);
}
