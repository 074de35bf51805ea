import type { MetricFamily } from '@retina/sdk';
import type { RelabelPlan } from './relabel.ts';

type Distribution = ReturnType<NonNullable<MetricFamily['histogram']>>;

/** Rows of the source that have the same labels once they are rewritten, as one series. */
interface Group {
  readonly key: string;
  readonly labels: readonly string[];
  readonly members: number[];
  /** Of members that have gone: a sum of counters must not fall when one of them ends. */
  base: number;
  gone: Distribution | undefined;
  created: number;
}

const UNDECIDED = -1;
const DROPPED = -2;
const LIMITED = -3;

/** Room for further series, over all families of a view. */
export interface Room {
  free(): boolean;
  take(): boolean;
  give(): void;
}

/** A family under other labels. Series that then read the same are one: their sum. */
export class RewrittenFamily implements MetricFamily {
  readonly source: MetricFamily;
  readonly name: string;
  readonly help: string;
  readonly kind: MetricFamily['kind'];
  readonly unit: MetricFamily['unit'];
  readonly labels: readonly string[];
  readonly histogram?: (g: number) => Distribution;
  dropped = 0;
  limited = 0;
  private readonly plan: RelabelPlan;
  private readonly room: Room;
  private readonly groups: (Group | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly byKey = new Map<string, number>();
  private rowGroup = new Int32Array(0);
  private rowCreated = new Float64Array(0);
  private rowValue = new Float64Array(0);
  private readonly rowHistogram = new Map<number, Distribution>();

  constructor(source: MetricFamily, plan: RelabelPlan, room: Room) {
    this.source = source;
    this.plan = plan;
    this.room = room;
    this.name = plan.name;
    this.help = source.help;
    this.kind = source.kind;
    this.unit = source.unit;
    this.labels = plan.labels;
    if (source.histogram) this.histogram = (g) => this.merged(this.groups[g]!);
  }

  get size(): number {
    return this.groups.length;
  }

  live(g: number): boolean {
    return this.groups[g] !== undefined;
  }

  value(g: number): number {
    const { base, members } = this.groups[g]!;
    let sum = base;
    for (const row of members) sum += this.source.value(row);
    return sum;
  }

  label(g: number, j: number): string {
    return this.groups[g]!.labels[j]!;
  }

  created(g: number): number {
    return this.groups[g]!.created;
  }

  /** Takes note of what came and went; decides about new rows for about `ms` milliseconds. True when none is left undecided. */
  refresh(ms: number): boolean {
    const { source } = this;
    const size = source.size;
    if (size > this.rowGroup.length) this.grow(Math.max(size, this.rowGroup.length * 2, 64));
    let whole = true;
    let until = 0;
    for (let row = 0, decided = 0; row < this.rowGroup.length; row++) {
      const alive = row < size && source.live(row);
      const group = this.rowGroup[row]!;
      const over = !alive || this.rowCreated[row] !== source.created(row) || (group === LIMITED && this.room.free());
      if (group !== UNDECIDED && over) this.leave(row, group);
      if (!alive) continue;
      if (this.rowGroup[row] === UNDECIDED) {
        until ||= performance.now() + ms; // what is known is quick
        if (!whole || ((++decided & 63) === 0 && performance.now() > until)) {
          whole = false;
          continue;
        }
        this.join(row);
      }
      const at = this.rowGroup[row]!;
      if (at < 0) continue;
      if (this.histogram) {
        const shared = this.groups[at]!.members.length > 1 || this.groups[at]!.gone;
        if (shared) this.rowHistogram.set(row, source.histogram!(row));
      } else this.rowValue[row] = source.value(row);
    }
    return whole;
  }

  /** Gives back what it holds. */
  end(): void {
    for (const group of this.groups) if (group) this.room.give();
  }

  private join(row: number): void {
    const { source } = this;
    this.rowCreated[row] = source.created(row);
    const own = source.labels.map((_, j) => source.label(row, j));
    const labels = this.plan.apply(own);
    if (!labels) {
      this.dropped++;
      this.rowGroup[row] = DROPPED;
      return;
    }
    const key = labels.join('\u0000');
    let at = this.byKey.get(key);
    if (at === undefined) {
      if (!this.room.take()) {
        this.limited++;
        this.rowGroup[row] = LIMITED;
        return;
      }
      at = this.free.pop() ?? this.groups.length;
      const created = source.created(row);
      this.groups[at] = { key, labels, members: [], base: 0, gone: undefined, created };
      this.byKey.set(key, at);
    }
    this.groups[at]!.members.push(row);
    this.rowGroup[row] = at;
  }

  private leave(row: number, at: number): void {
    this.rowGroup[row] = UNDECIDED;
    if (at === DROPPED) this.dropped--;
    if (at === LIMITED) this.limited--;
    if (at < 0) return;
    const group = this.groups[at]!;
    group.members.splice(group.members.indexOf(row), 1);
    const last = this.rowHistogram.get(row);
    this.rowHistogram.delete(row);
    if (group.members.length === 0) {
      this.groups[at] = undefined;
      this.free.push(at);
      this.byKey.delete(group.key);
      this.room.give();
    } else if (this.histogram) group.gone = last ? (group.gone ? sum(group.gone, last) : last) : group.gone;
    else if (this.kind === 'counter') group.base += this.rowValue[row]!;
  }

  private merged({ members, gone }: Group): Distribution {
    let all = gone;
    for (const row of members) {
      const one = this.source.histogram!(row);
      all = all ? sum(all, one) : one;
    }
    return all!;
  }

  private grow(length: number): void {
    const before = this.rowGroup.length;
    this.rowGroup = copied(this.rowGroup, new Int32Array(length));
    this.rowGroup.fill(UNDECIDED, before);
    this.rowCreated = copied(this.rowCreated, new Float64Array(length));
    this.rowValue = copied(this.rowValue, new Float64Array(length));
  }
}

function copied<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Bounds are the family's, so they are the same. */
function sum(a: Distribution, b: Distribution): Distribution {
  return { ...a, counts: a.counts.map((count, i) => count + b.counts[i]!), sum: a.sum + b.sum };
}
