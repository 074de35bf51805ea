import type { FlowBatch } from '@retina/sdk';
import { Family, type FamilyDescription, type FamilyHost } from './family.ts';
import { OVERFLOW_LABEL } from './labels.ts';
import { podLabels } from './pod-options.ts';
import { NO_SAMPLE, type PodView } from './pod-view.ts';
import { resized } from './series-table.ts';

const NO_TARGET = 0xffffffff;

/** Samples of a pod-level family under one configuration: rows by target and the plugin's own labels. */
export class PodSeries extends Family {
  readonly view: PodView;
  readonly ttlMs: number;
  /** What {@link atN} is asked about. */
  readonly tuple: number[];
  private readonly own: number;
  /** When a row last had a sample; kept only where there is a TTL. */
  private touched = new Float64Array(8);
  /** Row + 1 by target, for families without labels of their own: one load in place of a hash. */
  private rowOf = new Int32Array(8);

  constructor(host: FamilyHost, description: FamilyDescription, view: PodView, ttlMs: number) {
    const own = description.labels.length;
    super(host, { ...description, labels: podLabels(description.labels, view.options) }, own + 1);
    this.own = own;
    this.tuple = new Array<number>(own + 1).fill(0);
    this.view = view;
    this.ttlMs = ttlMs;
  }

  /** The row of a flow record's sample in a family without labels of its own; -1 if it counts for no endpoint. */
  at0(batch: FlowBatch, row: number, now: number): number {
    const target = this.view.resolve(batch, row);
    if (target === NO_SAMPLE) return -1;
    let series = target >= 0 && target < this.rowOf.length ? this.rowOf[target]! - 1 : -1;
    if (series < 0) series = target < 0 ? this.overflow() : this.row([target]);
    if (this.ttlMs > 0) this.touched[series] = now;
    return series;
  }

  at1(batch: FlowBatch, row: number, now: number, label: number): number {
    const target = this.view.resolve(batch, row);
    if (target === NO_SAMPLE) return -1;
    let series = target < 0 ? this.overflow() : this.table.find2(target, label);
    if (series < 0) series = this.row([target, label]);
    if (this.ttlMs > 0) this.touched[series] = now;
    return series;
  }

  at2(batch: FlowBatch, row: number, now: number, a: number, b: number): number {
    const target = this.view.resolve(batch, row);
    if (target === NO_SAMPLE) return -1;
    let series = target < 0 ? this.overflow() : this.table.find3(target, a, b);
    if (series < 0) series = this.row([target, a, b]);
    if (this.ttlMs > 0) this.touched[series] = now;
    return series;
  }

  /** For any number of labels: they stand in `tuple`, behind the target's place. */
  atN(batch: FlowBatch, row: number, now: number): number {
    const target = this.view.resolve(batch, row);
    if (target === NO_SAMPLE) return -1;
    this.tuple[0] = target;
    const series = target < 0 ? this.overflow() : this.row(this.tuple);
    if (this.ttlMs > 0) this.touched[series] = now;
    return series;
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
    if (target === NO_TARGET) return;
    if (this.own === 0) this.rowOf[target] = 0;
    this.view.release(target);
  }

  protected override create(tuple: ArrayLike<number>): number {
    const row = super.create(tuple);
    const target = this.table.key(row, 0);
    if (target === NO_TARGET) return row;
    this.view.retain(target);
    if (this.own === 0) {
      if (target >= this.rowOf.length) this.rowOf = resized(this.rowOf, Math.max(target + 1, this.rowOf.length * 2));
      this.rowOf[target] = row + 1;
    }
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
export abstract class PodInstrument<S extends PodSeries = PodSeries> {
  series: S | undefined;
  protected readonly name: string;
  protected readonly clock: { time: number };

  /** `clock.time` is a coarse clock in milliseconds, so that a sample costs no call. */
  constructor(name: string, clock: { time: number }) {
    this.name = name;
    this.clock = clock;
  }

  /** The samples under one configuration. */
  abstract open(host: FamilyHost, description: FamilyDescription, view: PodView, ttlMs: number): S;
}
