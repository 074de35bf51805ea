const STEP = 0x9e3779b1;
/** Differs per process: some tuples come from packets, and nobody shall craft ones that collide. */
const SEED = (Math.random() * 0x1_0000_0000) | 0;

/** One round of the hash: every word of a tuple goes through it. */
function mix(hash: number, word: number): number {
  const h = Math.imul(hash ^ word, STEP);
  return h ^ (h >>> 15);
}

/** The last of the hash: what differs in a word's upper bits alone, as addresses do in their last byte, reaches the lower ones, which pick the slot. */
function spread(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}

/**
 * A set of integer tuples of one width, each with a small row number that stays its own until it is removed: the index
 * behind every metric family. Open addressing with linear probing; removal shifts back, so there are no tombstones and
 * look-ups never slow down with churn. Rows are reused; values live in the owner's arrays, addressed by row.
 */
export class SeriesTable {
  readonly width: number;
  /** Rows ever used: 0 ≤ row < size. */
  size = 0;
  /** Tuples in the set. */
  count = 0;
  /** Tuples by row. */
  private keys: Int32Array;
  /** Cells of a slot: narrow tuples stand in it, so that a look-up touches one cache line; then row + 1, 0 for empty. */
  private readonly cells: number;
  private slots: Int32Array;
  private mask = 15;
  private used: Uint8Array;
  private readonly free: number[] = [];

  constructor(width: number) {
    this.width = width;
    this.cells = width <= 3 ? width + 1 : 1;
    this.keys = new Int32Array(8 * width);
    this.slots = new Int32Array(16 * this.cells);
    this.used = new Uint8Array(8);
  }

  /** Rows the owner's arrays must have room for. */
  get capacity(): number {
    return this.used.length;
  }

  has(row: number): boolean {
    return this.used[row] === 1;
  }

  /** A word of a row's tuple, unsigned. */
  key(row: number, word: number): number {
    return this.keys[row * this.width + word]! >>> 0;
  }

  /** Row of a tuple of width 1, -1 if it is not in the set. */
  find1(a: number): number {
    const { slots, mask } = this;
    a |= 0;
    for (let slot = spread(mix(SEED, a)) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 2;
      const row = slots[at + 1]!;
      if (row === 0) return -1;
      if (slots[at] === a) return row - 1;
    }
  }

  find2(a: number, b: number): number {
    const { slots, mask } = this;
    a |= 0;
    b |= 0;
    for (let slot = spread(mix(mix(SEED, a), b)) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 3;
      const row = slots[at + 2]!;
      if (row === 0) return -1;
      if (slots[at] === a && slots[at + 1] === b) return row - 1;
    }
  }

  find3(a: number, b: number, c: number): number {
    const { slots, mask } = this;
    a |= 0;
    b |= 0;
    c |= 0;
    for (let slot = spread(mix(mix(mix(SEED, a), b), c)) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 4;
      const row = slots[at + 3]!;
      if (row === 0) return -1;
      if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c) return row - 1;
    }
  }

  /** Row of the tuple in the first `width` places of `tuple`. */
  find(tuple: ArrayLike<number>): number {
    let hash = SEED;
    for (let i = 0; i < this.width; i++) hash = mix(hash, tuple[i]!);
    for (let slot = spread(hash) & this.mask; ; slot = (slot + 1) & this.mask) {
      const row = this.rowAt(slot);
      if (row < 0 || this.equals(row, tuple)) return row;
    }
  }

  /** Adds a tuple that is not in the set; its row. May grow {@link capacity}. */
  insert(tuple: ArrayLike<number>): number {
    if ((this.count + 1) * 2 > this.mask) this.rehash((this.mask + 1) * 2);
    let row = this.free.pop();
    if (row === undefined) {
      row = this.size++;
      if (row >= this.used.length) this.grow();
    }
    for (let i = 0; i < this.width; i++) this.keys[row * this.width + i] = tuple[i]!;
    this.used[row] = 1;
    this.place(row);
    this.count++;
    return row;
  }

  remove(row: number): void {
    if (this.used[row] !== 1) return;
    const { slots, mask, cells } = this;
    let hole = this.home(row);
    while (this.rowAt(hole) !== row) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; this.rowAt(slot) >= 0; slot = (slot + 1) & mask) {
      // Move back what would no longer be reached over the hole.
      if (((slot - this.home(this.rowAt(slot))) & mask) >= ((slot - hole) & mask)) {
        slots.copyWithin(hole * cells, slot * cells, (slot + 1) * cells);
        hole = slot;
      }
    }
    slots[hole * cells + cells - 1] = 0;
    this.used[row] = 0;
    this.free.push(row);
    this.count--;
  }

  private rowAt(slot: number): number {
    return this.slots[slot * this.cells + this.cells - 1]! - 1;
  }

  /** The slot a row's tuple would have if it were alone. */
  private home(row: number): number {
    let hash = SEED;
    for (let i = 0; i < this.width; i++) hash = mix(hash, this.keys[row * this.width + i]!);
    return spread(hash) & this.mask;
  }

  private equals(row: number, tuple: ArrayLike<number>): boolean {
    const at = row * this.width;
    for (let i = 0; i < this.width; i++) if (this.keys[at + i] !== (tuple[i]! | 0)) return false;
    return true;
  }

  private place(row: number): void {
    let slot = this.home(row);
    while (this.rowAt(slot) >= 0) slot = (slot + 1) & this.mask;
    const at = slot * this.cells;
    for (let i = 0; i < this.cells - 1; i++) this.slots[at + i] = this.keys[row * this.width + i]!;
    this.slots[at + this.cells - 1] = row + 1;
  }

  private rehash(length: number): void {
    this.slots = new Int32Array(length * this.cells);
    this.mask = length - 1;
    for (let row = 0; row < this.size; row++) if (this.used[row] === 1) this.place(row);
  }

  private grow(): void {
    const capacity = this.used.length * 2;
    this.keys = resized(this.keys, capacity * this.width);
    this.used = resized(this.used, capacity);
  }
}

/** A copy of `array` with room for `length` elements. */
export function resized<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(array: T, length: number): T {
  const copy = new (array.constructor as new (length: number) => T)(length);
  copy.set(array);
  return copy;
}
