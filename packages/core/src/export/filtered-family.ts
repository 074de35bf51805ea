import type { MetricFamily } from '@retina/sdk';
import type { RelabelPlan } from './relabel.ts';
import type { Room } from './rewritten-family.ts';

const UNDECIDED = 0;
const SHOWN = 1;
const DROPPED = 2;
const LIMITED = 3;

/** A family of which some rows are hidden; whether a row is, is decided once in its life. */
export class FilteredFamily implements MetricFamily {
  readonly source: MetricFamily;
  readonly histogram?: NonNullable<MetricFamily['histogram']>;
  private readonly plan: RelabelPlan;
  private readonly room: Room;
  private readonly counts = [0, 0, 0, 0];
  private state = new Uint8Array(0);
  private times = new Float64Array(0);
  private next = 0;

  constructor(source: MetricFamily, plan: RelabelPlan, room: Room) {
    this.source = source;
    this.plan = plan;
    this.room = room;
    if (source.histogram) this.histogram = (i) => source.histogram!(i);
  }

  get name(): string {
    return this.source.name;
  }
  get help(): string {
    return this.source.help;
  }
  get kind(): MetricFamily['kind'] {
    return this.source.kind;
  }
  get unit(): MetricFamily['unit'] {
    return this.source.unit;
  }
  get labels(): readonly string[] {
    return this.source.labels;
  }
  get size(): number {
    return this.source.size;
  }
  get dropped(): number {
    return this.counts[DROPPED]!;
  }
  get limited(): number {
    return this.counts[LIMITED]!;
  }

  live(i: number): boolean {
    const { source } = this;
    if (i >= this.state.length) this.grow();
    const created = source.live(i) ? source.created(i) : NaN;
    const state = this.state[i]!;
    const again = this.times[i] !== created || (state === LIMITED && this.room.free());
    if (state !== UNDECIDED && again) this.put(i, UNDECIDED);
    if (Number.isNaN(created)) return false;
    if (this.state[i] === UNDECIDED) {
      this.times[i] = created;
      this.put(i, !this.wanted(i) ? DROPPED : this.room.take() ? SHOWN : LIMITED);
    }
    return this.state[i] === SHOWN;
  }

  value(i: number): number {
    return this.source.value(i);
  }
  label(i: number, j: number): string {
    return this.source.label(i, j);
  }
  created(i: number): number {
    return this.source.created(i);
  }

  /** Decides about rows for about `ms` milliseconds, going on where the last call ended. True when it came to the end. */
  refresh(ms: number): boolean {
    const until = performance.now() + ms;
    while (this.next < this.state.length || this.next < this.size) {
      this.live(this.next++);
      if ((this.next & 63) === 0 && performance.now() > until) return false;
    }
    this.next = 0;
    return true;
  }

  end(): void {
    for (let i = 0; i < this.state.length; i++) if (this.state[i] === SHOWN) this.room.give();
  }

  private wanted(i: number): boolean {
    const { source } = this;
    return this.plan.apply(source.labels.map((_, j) => source.label(i, j))) !== undefined;
  }

  private put(i: number, state: number): void {
    const before = this.state[i]!;
    if (before === SHOWN) this.room.give();
    this.counts[before]!--;
    this.counts[state]!++;
    this.state[i] = state;
  }

  private grow(): void {
    const length = Math.max(this.source.size, this.state.length * 2, 64);
    const [state, times] = [new Uint8Array(length), new Float64Array(length)];
    state.set(this.state);
    times.set(this.times);
    this.state = state;
    this.times = times;
  }
}
