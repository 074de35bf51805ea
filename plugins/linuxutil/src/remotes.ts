import { SocketAddress } from 'node:net';

/** Addresses told apart at most; connections to further ones count as `other`. */
const MOST_ADDRESSES = 65_536;

/** Connections by remote address: those addresses that have the most, and the rest together. */
export class Remotes {
  /** Addresses to report, 0 for none. */
  readonly limit: number;
  private readonly counts = new Map<string | number, number>();
  private beyond = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Counts a connection to the address that lies at `at`: 4 bytes for family 0, else 16. */
  add(bytes: Uint8Array, at: number, family: number): void {
    const mapped = family === 1 && isMapped(bytes, at);
    const key = family === 0 || mapped ? ipv4(bytes, mapped ? at + 12 : at) : ipv6(bytes, at);
    const count = this.counts.get(key);
    if (count === undefined && this.counts.size >= MOST_ADDRESSES) this.beyond++;
    else this.counts.set(key, (count ?? 0) + 1);
  }

  /** Address and connections of those with the most, then `other` if there are others. */
  top(): (readonly [address: string, connections: number])[] {
    if (this.limit === 0) return [];
    const sorted = [...this.counts].sort(([a, m], [b, n]) => n - m || (text(a) < text(b) ? -1 : 1));
    const rest = sorted.slice(this.limit).reduce((sum, [, count]) => sum + count, this.beyond);
    const shown = sorted.slice(0, this.limit).map(([key, count]) => [text(key), count] as const);
    return rest > 0 ? [...shown, ['other', rest]] : shown;
  }
}

function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 10; i++) if (bytes[i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

/** As a number, which is cheap to look up. */
function ipv4(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function ipv6(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 16));
}

function text(key: string | number): string {
  if (typeof key === 'number') return [key >>> 24, (key >>> 16) & 255, (key >>> 8) & 255, key & 255].join('.');
  const bytes = Buffer.from(key, 'latin1');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}
