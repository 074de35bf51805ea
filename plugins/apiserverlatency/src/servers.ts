import type { BpfHandle, ServerAddress } from '@retina/sdk';

/** struct server: address, port in network byte order, padding. */
const KEY_BYTES = 24;
const FILTER_WORDS = 16;
const FIRST = new Uint8Array(4);

/** The bit of the filter that stands for an address and port; as server_bit() in bpf/servers.h has it. */
export function serverBit(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
  const factors = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f];
  let hash = Math.imul(view.getUint16(16, true), 0x165667b1);
  factors.forEach((factor, i) => (hash ^= Math.imul(view.getUint32(4 * i, true), factor)));
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 23;
}

export function serverKey({ address, port }: ServerAddress): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  key.set(address.subarray(0, 16));
  key.set([port >> 8, port & 0xff], 16);
  return key;
}

/** Keeps the kernel's table of API servers like a list. */
export class Servers {
  /** Most the kernel's table holds. */
  static readonly most = 256;
  private readonly object: BpfHandle;
  private known = new Map<string, Uint8Array>();

  constructor(object: BpfHandle) {
    this.object = object;
  }

  get size(): number {
    return this.known.size;
  }

  /** Returns how many of the list found no room. */
  set(list: readonly ServerAddress[]): number {
    const keys = list.map(serverKey);
    const wanted = new Map(keys.map((key) => [Buffer.from(key).toString('latin1'), key] as const));
    const kept = new Map([...wanted].slice(0, Servers.most));
    // What the filter lets through and the table does not hold is no harm; the other way round would be.
    for (const [text, key] of this.known) if (!kept.has(text)) this.object.remove('api_servers', key);
    for (const [text, key] of kept) if (!this.known.has(text)) this.object.update('api_servers', key, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)); // prettier-ignore
    const filter = new Uint32Array(FILTER_WORDS);
    for (const key of kept.values()) {
      const bit = serverBit(key);
      filter[bit >> 5]! |= 1 << (bit & 31);
    }
    this.object.update('api_filter', FIRST, new Uint8Array(filter.buffer));
    this.known = kept;
    return wanted.size - kept.size;
  }
}
