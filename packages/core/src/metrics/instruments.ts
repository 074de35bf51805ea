import type { Counter, Gauge } from '@retina/sdk';
import { RetinaError } from '@retina/sdk';
import { Family, type FamilyDescription, type FamilyHost } from './family.ts';
import { resized } from './series-table.ts';

/** Label ids beyond it are looked up by hash. */
const MAX_DENSE = 1 << 20;

/** A family and the instrument that writes to it. One subclass per number of labels: a variable one would cost an array per call. */
export abstract class CounterFamily extends Family implements Counter<number[]> {
  private totals: Float64Array | undefined;

  abstract add(value: number, ...labels: number[]): void;

  set(total: number, ...labels: number[]): void {
    if (!(total >= 0)) refuse(this.name, total);
    const row = this.row(labels);
    this.totals ??= new Float64Array(this.values.length);
    const last = this.totals[row]!;
    this.values[row]! += total >= last ? total - last : total;
    this.totals[row] = total;
  }

  /** Totals kept elsewhere start from zero again (a program was loaded afresh), even if the next one is larger than the last. */
  restarted(): void {
    this.totals?.fill(0);
  }

  protected override grow(capacity: number): void {
    super.grow(capacity);
    if (this.totals) this.totals = resized(this.totals, capacity);
  }

  protected override reset(row: number): void {
    super.reset(row);
    if (this.totals) this.totals[row] = 0;
  }
}

class Counter0 extends CounterFamily {
  override add(value: number): void {
    if (!(value >= 0)) refuse(this.name, value);
    this.values[0]! += value;
  }
}

class Counter1 extends CounterFamily {
  /** Row + 1 by label id: ids are small, so one load does for a hash. */
  private rowOf = new Int32Array(64);

  override add(value: number, a: number): void {
    if (!(value >= 0)) refuse(this.name, value);
    const { rowOf } = this;
    let row = a < rowOf.length ? rowOf[a]! - 1 : -1;
    if (row < 0) row = this.remember(a);
    this.values[row]! += value;
  }

  override removeRow(row: number): void {
    if (this.table.has(row)) this.rowOf[this.table.key(row, 0)] = 0;
    super.removeRow(row);
  }

  private remember(a: number): number {
    const row = this.row([a]);
    if (this.table.key(row, 0) !== a || a >= MAX_DENSE) return row; // the overflow series is nobody's own
    if (a >= this.rowOf.length) this.rowOf = resized(this.rowOf, Math.max(a + 1, this.rowOf.length * 2));
    this.rowOf[a] = row + 1;
    return row;
  }
}

class Counter2 extends CounterFamily {
  override add(value: number, a: number, b: number): void {
    if (!(value >= 0)) refuse(this.name, value);
    let row = this.table.find2(a, b);
    if (row < 0) row = this.row([a, b]);
    this.values[row]! += value;
  }
}

class Counter3 extends CounterFamily {
  override add(value: number, a: number, b: number, c: number): void {
    if (!(value >= 0)) refuse(this.name, value);
    let row = this.table.find3(a, b, c);
    if (row < 0) row = this.row([a, b, c]);
    this.values[row]! += value;
  }
}

class CounterN extends CounterFamily {
  override add(value: number, ...labels: number[]): void {
    if (!(value >= 0)) refuse(this.name, value);
    this.values[this.row(labels)]! += value;
  }
}

/** The counter of a description. Without labels its only series is there from the start: that nothing happened is a fact. */
export function counterFamily(host: FamilyHost, description: FamilyDescription): CounterFamily {
  const Kind = [Counter0, Counter1, Counter2, Counter3][description.labels.length] ?? CounterN;
  const family = new Kind(host, description);
  if (description.labels.length === 0) family.row([]);
  return family;
}

export class GaugeFamily extends Family implements Gauge<number[]> {
  set(value: number, ...labels: number[]): void {
    this.values[this.row(labels)] = value;
  }

  add(value: number, ...labels: number[]): void {
    this.values[this.row(labels)]! += value;
  }

  remove(...labels: number[]): void {
    this.removeRow(this.table.find(labels));
  }
}

function refuse(name: string, value: number): never {
  throw new RetinaError('RETINA_METRIC_INVALID', `the metric ${name} cannot take this value`, {
    found: String(value),
    needed: 'a number of at least 0',
    next: 'add what has happened since the last call, or use a gauge for values that fall',
  });
}
