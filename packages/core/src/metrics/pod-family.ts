import type { FlowBatch, PodCounter } from '@retina/sdk';
import { RetinaError } from '@retina/sdk';
import { Family, type FamilyDescription, type FamilyHost } from './family.ts';
import { OVERFLOW_LABEL } from './labels.ts';
import { podLabels } from './pod-options.ts';
import { NO_ROOM, NO_SAMPLE, type PodView } from './pod-view.ts';
import { resized } from './series-table.ts';

const NO_TARGET = 0xffffffff;

/** Samples of a pod-level family under one configuration: rows by target and the plugin's own labels. */
export class PodSeries extends Family {
  readonly view: PodView;
  readonly ttlMs: number;
  private readonly own: number;
  /** When a row last had a sample. */
  private touched = new Float64Array(8);

  constructor(host: FamilyHost, description: FamilyDescription, view: PodView, ttlMs: number) {
    const own = description.labels.length;
    super(host, { ...description, labels: podLabels(description.labels, view.options) }, own + 1);
    this.own = own;
    this.view = view;
    this.ttlMs = ttlMs;
  }

  add(value: number, batch: FlowBatch, row: number, now: number, labels: readonly number[]): void {
    const target = this.view.resolve(batch, row);
    if (target === NO_SAMPLE) return;
    let series: number;
    if (target === NO_ROOM) series = this.overflow();
    else {
      if (this.own === 0) series = this.table.find1(target);
      else if (this.own === 1) series = this.table.find2(target, labels[0]!);
      else series = this.table.find([target, ...labels]);
      if (series < 0) series = this.row([target, ...labels]);
    }
    this.values[series]! += value;
    this.touched[series] = now;
  }

  /** Ends series whose endpoint went before `deadline`, and those without a sample for their TTL. How many. */
  expire(now: number, deadline: number): number {
    let expired = 0;
    const ended = this.view.anyEndedBefore(deadline);
    if (!ended && this.ttlMs === 0) return 0;
    for (let row = 0; row < this.table.size; row++) {
      if (!this.table.has(row)) continue;
      const target = this.table.key(row, 0);
      const idle = this.ttlMs > 0 && this.touched[row]! + this.ttlMs <= now;
      if (!idle && (!ended || target === NO_TARGET || !this.view.endedBefore(target, deadline))) continue;
      this.removeRow(row);
      expired++;
    }
    return expired;
  }

  /** Lets go of every target; for when the family is configured anew. */
  close(): void {
    for (let row = 0; row < this.table.size; row++) this.removeRow(row);
  }

  override removeRow(row: number): void {
    if (!this.table.has(row)) return;
    const target = this.table.key(row, 0);
    super.removeRow(row);
    if (target !== NO_TARGET) this.view.release(target);
  }

  protected override create(tuple: ArrayLike<number>): number {
    const row = super.create(tuple);
    if (this.table.key(row, 0) !== NO_TARGET) this.view.retain(this.table.key(row, 0));
    return row;
  }

  protected override labelOf(i: number, j: number): string {
    if (j < this.own) return this.host.text(this.table.key(i, j + 1));
    return this.view.text(this.table.key(i, 0), j - this.own);
  }

  protected override overflowTuple(): number[] {
    return [NO_TARGET, ...new Array<number>(this.own).fill(OVERFLOW_LABEL)];
  }

  protected override grow(capacity: number): void {
    super.grow(capacity);
    this.touched = resized(this.touched, capacity);
  }
}

/** The instrument a plugin holds. What it writes to changes with the configuration; undefined while switched off. */
export class PodInstrument implements PodCounter<number[]> {
  series: PodSeries | undefined;
  private readonly name: string;
  private readonly clock: { time: number };

  /** `clock.time` is a coarse clock in milliseconds, so that a sample costs no call. */
  constructor(name: string, clock: { time: number }) {
    this.name = name;
    this.clock = clock;
  }

  add(value: number, batch: FlowBatch, row: number, ...labels: number[]): void {
    if (value === 0 || this.series === undefined) return;
    if (!(value > 0)) {
      throw new RetinaError('RETINA_METRIC_INVALID', `the counter ${this.name} cannot take this value`, {
        found: String(value),
        needed: 'a number of at least 0',
        next: 'add what has happened since the last record of the flow',
      });
    }
    this.series.add(value, batch, row, this.clock.time, labels);
  }
}
