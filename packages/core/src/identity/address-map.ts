/** Differs per process, so that nobody can craft addresses that collide. */
const SEED = (Math.random() * 0x1_0000_0000) >>> 0;

/**
 * 16-byte addresses to small integers: open addressing over four 32-bit words, signed or unsigned, no strings, no allocation
 * on look-up. 0 means "not in the map" and is no value.
 */
export class AddressMap {
  count = 0;
  private keys = new Int32Array(64 * 4);
  private values = new Uint32Array(64);
  private mask = 63;

  get(w0: number, w1: number, w2: number, w3: number): number {
    const { keys, values, mask } = this;
    for (let slot = hash(w0, w1, w2, w3) & mask; ; slot = (slot + 1) & mask) {
      const value = values[slot]!;
      if (value === 0) return 0;
      const at = slot << 2;
      if (keys[at + 3] === (w3 | 0) && keys[at + 2] === (w2 | 0) && keys[at + 1] === (w1 | 0) && keys[at] === (w0 | 0))
        return value;
    }
  }

  set(w0: number, w1: number, w2: number, w3: number, value: number): void {
    if (value === 0) return this.delete(w0, w1, w2, w3);
    if ((this.count + 1) * 2 > this.values.length) this.grow();
    const slot = this.slot(w0, w1, w2, w3);
    if (this.values[slot] === 0) {
      this.count++;
      this.keys.set([w0, w1, w2, w3], slot << 2);
    }
    this.values[slot] = value;
  }

  delete(w0: number, w1: number, w2: number, w3: number): void {
    const { keys, values, mask } = this;
    let hole = this.slot(w0, w1, w2, w3);
    if (values[hole] === 0) return;
    for (let slot = (hole + 1) & mask; values[slot] !== 0; slot = (slot + 1) & mask) {
      const at = slot << 2;
      const home = hash(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!) & mask;
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        keys.copyWithin(hole << 2, at, at + 4);
        values[hole] = values[slot]!;
        hole = slot;
      }
    }
    values[hole] = 0;
    this.count--;
  }

  private slot(w0: number, w1: number, w2: number, w3: number): number {
    const { keys, values, mask } = this;
    let slot = hash(w0, w1, w2, w3) & mask;
    for (; values[slot] !== 0; slot = (slot + 1) & mask) {
      const at = slot << 2;
      if (keys[at + 3] === (w3 | 0) && keys[at + 2] === (w2 | 0) && keys[at + 1] === (w1 | 0) && keys[at] === (w0 | 0))
        break;
    }
    return slot;
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Int32Array(keys.length * 2);
    this.values = new Uint32Array(values.length * 2);
    this.mask = this.values.length - 1;
    this.count = 0;
    for (let slot = 0; slot < values.length; slot++) {
      const at = slot << 2;
      if (values[slot] !== 0) this.set(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!, values[slot]!);
    }
  }
}

function hash(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w3 ^ SEED, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h ^ w2, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h ^ w1, 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h ^ w0, 0x9e3779b1);
  return h ^ (h >>> 15);
}

/** The four words of a 16-byte address as little-endian loads. */
export function words(address: Uint8Array): [number, number, number, number] {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)];
}
