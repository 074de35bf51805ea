import type { FlowBatch, Translation, Translations } from '@retina/sdk';
import { words } from '../identity/address-map.ts';
import { resized, SeriesTable } from '../metrics/series-table.ts';

const MAX_CONNECTIONS = 65_536;
/** What has ended is still found so long: records come up to an interval late, and the flow log is read later still. */
const LINGER_MS = 60_000;
const SWEEP_MS = 10_000;
const BEFORE = 0;
const AFTER = 1;

/** An end of a connection: the address as four little-endian words. */
export interface NatEnd {
  readonly words: readonly [number, number, number, number];
  readonly port: number;
}

/** The ends a flow record's packets have on the other side of the translation. */
export interface NatEnds {
  /** The record shows them before they are translated; the ends are those after. */
  readonly before: boolean;
  readonly source: NatEnd;
  readonly destination: NatEnd;
}

/**
 * The connections this node translates, found by either form and either direction. Each is two rows, one per form, which
 * name each other. Bounded: told of more, it refuses.
 */
export class TranslationTable implements Translations {
  /** Somebody tells, so word of a connection may be on its way. */
  followed = false;
  private readonly now: () => number;
  private readonly max: number;
  private readonly table = new SeriesTable(10); // the lower end's address, the higher one's, both ports, protocol and form
  private readonly tuple = new Array<number>(10).fill(0);
  private other = new Uint32Array(8);
  /** Whether the one who began it is the higher end. */
  private flipped = new Uint8Array(8);
  /** When it was told of last; when it may be forgotten, Infinity while it lives. */
  private told = new Float64Array(8);
  private until = new Float64Array(8);
  private nextSweep = 0;

  constructor(now: () => number = Date.now, maxConnections = MAX_CONNECTIONS) {
    this.now = now;
    this.max = maxConnections;
  }

  get size(): number {
    return this.table.count / 2;
  }

  begin(translation: Translation): boolean {
    this.followed = true;
    const before = this.seek(translation, BEFORE);
    if (before >= 0 && this.seek(translation, AFTER) === this.other[before]) {
      this.keep(before, Infinity);
      return true;
    }
    // What stood in either place has ended without a word.
    this.drop(this.seek(translation, BEFORE));
    this.drop(this.seek(translation, AFTER));
    if (this.size >= this.max) this.sweep();
    if (this.size >= this.max) return false;
    const first = this.put(translation, BEFORE);
    const second = this.put(translation, AFTER);
    this.other[first] = second;
    this.other[second] = first;
    this.keep(first, Infinity);
    return true;
  }

  end(translation: Translation): void {
    const row = this.seek(translation, BEFORE);
    if (row >= 0) this.keep(row, this.now() + LINGER_MS);
  }

  endOlder(time: number): void {
    this.followed = true;
    const until = this.now() + LINGER_MS;
    for (let row = 0; row < this.table.size; row++) {
      if (this.table.has(row) && this.told[row]! < time && this.until[row]! > until) this.until[row] = until;
    }
  }

  /** Forgets what has ended long enough ago. At most once in ten seconds it looks. */
  sweep(): void {
    const now = this.now();
    if (now < this.nextSweep) return;
    this.nextSweep = now + SWEEP_MS;
    for (let row = 0; row < this.table.size; row++) {
      if (this.table.has(row) && this.until[row]! <= now) this.drop(row);
    }
  }

  /** The ends a record's packets have on the other side of the translation; undefined if it is not known to be translated. */
  of(batch: FlowBatch, row: number): NatEnds | undefined {
    return this.table.count === 0 ? undefined : this.find(batch, row);
  }

  private find(batch: FlowBatch, row: number): NatEnds | undefined {
    const s = (i: number) => batch.sourceWord(row, i);
    const d = (i: number) => batch.destinationWord(row, i);
    const flipped = this.order(s, d, batch.sourcePort(row), batch.destinationPort(row));
    for (const form of [BEFORE, AFTER]) {
      this.tuple[9] = batch.protocol(row) | (form << 8);
      const found = this.table.find(this.tuple);
      if (found < 0) continue;
      const other = this.other[found]!;
      const forward = flipped === (this.flipped[found] === 1);
      const sourceHigh = forward === (this.flipped[other] === 1);
      return {
        before: form === BEFORE,
        source: this.endAt(other, sourceHigh),
        destination: this.endAt(other, !sourceHigh),
      };
    }
    return undefined;
  }

  private seek(translation: Translation, form: number): number {
    this.write(translation, form);
    return this.table.find(this.tuple);
  }

  private put(translation: Translation, form: number): number {
    const flipped = this.write(translation, form);
    const row = this.table.insert(this.tuple);
    if (row >= this.other.length) {
      const { capacity } = this.table;
      this.other = resized(this.other, capacity);
      this.flipped = resized(this.flipped, capacity);
      this.told = resized(this.told, capacity);
      this.until = resized(this.until, capacity);
    }
    this.flipped[row] = flipped ? 1 : 0;
    return row;
  }

  /** Writes one form of a translation into the tuple; true if the one who began it is the higher end. */
  private write(t: Translation, form: number): boolean {
    const source = words(form === BEFORE ? t.source : t.newSource);
    const destination = words(form === BEFORE ? t.destination : t.newDestination);
    const ports = form === BEFORE ? [t.sourcePort, t.destinationPort] : [t.newSourcePort, t.newDestinationPort];
    this.tuple[9] = t.protocol | (form << 8);
    return this.order((i) => source[i]!, (i) => destination[i]!, ports[0]!, ports[1]!); // prettier-ignore
  }

  /** Writes two ends into the tuple, the lower one first; true if the first one given is the higher. */
  private order(a: (i: number) => number, b: (i: number) => number, portA: number, portB: number): boolean {
    let difference = 0;
    for (let i = 0; i < 4 && difference === 0; i++) difference = (a(i) >>> 0) - (b(i) >>> 0);
    const flipped = difference === 0 ? portA > portB : difference > 0;
    const [low, high] = flipped ? [b, a] : [a, b];
    for (let i = 0; i < 4; i++) {
      this.tuple[i] = low(i);
      this.tuple[4 + i] = high(i);
    }
    this.tuple[8] = flipped ? (portB << 16) | portA : (portA << 16) | portB;
    return flipped;
  }

  private endAt(row: number, high: boolean): NatEnd {
    const at = high ? 4 : 0;
    const ports = this.table.key(row, 8);
    const word = (i: number) => this.table.key(row, at + i);
    return { words: [word(0), word(1), word(2), word(3)], port: high ? ports & 0xffff : ports >>> 16 };
  }

  private keep(row: number, until: number): void {
    const now = this.now();
    for (const one of [row, this.other[row]!]) {
      this.told[one] = now;
      this.until[one] = until;
    }
  }

  private drop(row: number): void {
    if (row < 0 || !this.table.has(row)) return;
    this.table.remove(this.other[row]!);
    this.table.remove(row);
  }
}
