const STEP = 0x9e3779b1;
/** Differs per process: some tuples come from packets, and nobody shall craft ones that collide. */
const SEED = (Math.random() * 0x1_0000_0000) | 0;

/** One round of the hash: every word of a tuple goes through it. */
function mix(hash: number, word: number): number {
  const h = Math.imul(hash ^ word, STEP);
  return h ^ (h >>> 15);
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
  private keys: Uint32Array;
  private slots = new Int32Array(16); // row + 1, 0 for empty
  private mask = 15;
  private used: Uint8Array;
  private readonly free: number[] = [];

  constructor(width: number) {
    this.width = width;
    this.keys = new Uint32Array(8 * width);
    this.used = new Uint8Array(8);
  }

  /** Rows the owner's arrays must have room for. */
  get capacity(): number {
    return this.used.length;
  }

  has(row: number): boolean {
    return this.used[row] === 1;
  }

  key(row: number, word: number): number {
    return this.keys[row * this.width + word]!;
  }

  /** Row of a tuple of width 1, -1 if it is not in the set. */
  find1(a: number): number {
    const { slots, mask, keys } = this;
    for (let slot = mix(SEED, a) & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]! - 1;
      if (row < 0 || keys[row] === a) return row;
    }
  }

  find2(a: number, b: number): number {
    const { slots, mask, keys } = this;
    for (let slot = mix(mix(SEED, a), b) & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]! - 1;
      if (row < 0 || (keys[row * 2] === a && keys[row * 2 + 1] === b)) return row;
    }
  }

  find3(a: number, b: number, c: number): number {
    const { slots, mask, keys } = this;
    for (let slot = mix(mix(mix(SEED, a), b), c) & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]! - 1;
      if (row < 0 || (keys[row * 3] === a && keys[row * 3 + 1] === b && keys[row * 3 + 2] === c)) return row;
    }
  }

  /** Row of the tuple in the first `width` places of `tuple`. */
  find(tuple: ArrayLike<number>): number {
    const { slots, mask } = this;
    for (let slot = this.hash(tuple) & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot]! - 1;
      if (row < 0 || this.equals(row, tuple)) return row;
    }
  }

  /** Adds a tuple that is not in the set; its row. May grow {@link capacity}. */
  insert(tuple: ArrayLike<number>): number {
    if ((this.count + 1) * 2 > this.slots.length) this.rehash(this.slots.length * 2);
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
    const { slots, mask } = this;
    let hole = this.rowHash(row) & mask;
    while (slots[hole] !== row + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.rowHash(slots[slot]! - 1) & mask;
      // Move back what would no longer be reached over the hole.
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = slots[slot]!;
        hole = slot;
      }
    }
    slots[hole] = 0;
    this.used[row] = 0;
    this.free.push(row);
    this.count--;
  }

  private hash(tuple: ArrayLike<number>): number {
    let h = SEED;
    for (let i = 0; i < this.width; i++) h = mix(h, tuple[i]!);
    return h;
  }

  private rowHash(row: number): number {
    let h = SEED;
    const at = row * this.width;
    for (let i = 0; i < this.width; i++) h = mix(h, this.keys[at + i]!);
    return h;
  }

  private equals(row: number, tuple: ArrayLike<number>): boolean {
    const at = row * this.width;
    for (let i = 0; i < this.width; i++) if (this.keys[at + i] !== tuple[i]! >>> 0) return false;
    return true;
  }

  private place(row: number): void {
    let slot = this.rowHash(row) & this.mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = row + 1;
  }

  private rehash(length: number): void {
    this.slots = new Int32Array(length);
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
