import { mix, SEED, SEED_2, spread } from './hash.ts';

/** Bytes of a message that are looked at. */
const MOST = 512;

/**
 * A message's words, little-endian from its first byte, without its id and with zeroes behind its end, and two hashes of
 * them. Filled again for each: allocates nothing.
 */
export class Print {
  readonly words = new Int32Array(MOST >> 2);
  /** Words filled. */
  length = 0;
  /** Bytes of the message, those beyond what is looked at as well. */
  size = 0;
  /** In network byte order, as in the message; 0 where it has none. */
  id = 0;
  first = 0;
  second = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private view: Int32Array = new Int32Array(0);

  take(bytes: Uint8Array, from: number, end: number): void {
    const { words } = this;
    this.size = end - from;
    const to = Math.min(end, from + MOST);
    const length = (this.length = (to - from + 3) >> 2);
    const whole = (to - from) >> 2;
    const aligned = ((bytes.byteOffset + from) & 3) === 0;
    if (aligned && bytes !== this.bytes) this.lookAt(bytes);
    const { view } = this;
    const at = from >> 2;
    if (aligned && at + whole <= view.length) for (let i = 0; i < whole; i++) words[i] = view[at + i]!;
    else for (let i = 0; i < whole; i++) words[i] = wordAt(bytes, from + 4 * i, 4);
    if (length > whole) words[whole] = wordAt(bytes, from + 4 * whole, to - from - 4 * whole);
    const head = length > 0 ? words[0]! : 0;
    this.id = ((head & 0xff) << 8) | ((head >> 8) & 0xff);
    words[0] = head & ~0xffff;
    let first = SEED;
    let second = SEED_2;
    for (let i = 0; i < length; i++) {
      const word = words[i]!;
      first = mix(first, word);
      second = mix(second, word);
    }
    this.first = spread(first);
    this.second = spread(second);
  }

  /** The loader lends the same few slabs again and again, many messages in each. */
  private lookAt(bytes: Uint8Array): void {
    this.bytes = bytes;
    const fits = LITTLE_ENDIAN && (bytes.byteOffset & 3) === 0;
    this.view = fits ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : new Int32Array(0);
  }
}

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function wordAt(bytes: Uint8Array, at: number, length: number): number {
  let word = 0;
  for (let i = 0; i < length; i++) word |= bytes[at + i]! << (8 * i);
  return word;
}
