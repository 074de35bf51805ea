import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** 16 bytes of an address in text, IPv4 as ::ffff:a.b.c.d; undefined if it is none. A zone (`%eth0`) is dropped. */
export function parseAddress(text: string): Uint8Array | undefined {
  const bare = text.replace(/%.*$/, '');
  if (isIP(bare) === 0) return undefined;
  const parsed = ipaddr.parse(bare);
  const v6 = parsed.kind() === 'ipv4' ? (parsed as ipaddr.IPv4).toIPv4MappedAddress() : parsed;
  return Uint8Array.from(v6.toByteArray());
}

/** A prefix of 16-byte addresses: an IPv4 prefix of length n is one of length 96 + n. */
export interface Prefix {
  readonly address: Uint8Array;
  readonly length: number;
}

/** An address or a CIDR prefix in text; undefined if it is neither. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  const v4 = isIP(slash < 0 ? text : text.slice(0, slash)) === 4;
  if (slash < 0) return { address, length: 128 };
  const digits = text.slice(slash + 1);
  const length = Number(digits);
  if (!/^\d{1,3}$/.test(digits) || length > (v4 ? 32 : 128)) return undefined;
  return { address, length: v4 ? length + 96 : length };
}

/** Whether the 16 bytes of `bytes` at `at` lie in the prefix. */
export function contains(prefix: Prefix, bytes: Uint8Array, at = 0): boolean {
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i++) if (prefix.address[i] !== bytes[at + i]) return false;
  const rest = prefix.length & 7;
  return rest === 0 || (prefix.address[whole]! ^ bytes[at + whole]!) >> (8 - rest) === 0;
}

/** Text of a 16-byte address, RFC 5952; IPv4-mapped ones as dotted quad. */
export function formatAddress(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return formatWords(
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
    view.getUint32(12, true),
  );
}

/** The third word of an IPv4-mapped address, signed. */
export const V4_MAPPED = 0xffff0000 | 0;

/** The same from four words as little-endian loads give them, signed or unsigned. */
export function formatWords(w0: number, w1: number, w2: number, w3: number): string {
  if (w0 === 0 && w1 === 0 && (w2 | 0) === V4_MAPPED) {
    return `${w3 & 255}.${(w3 >>> 8) & 255}.${(w3 >>> 16) & 255}.${w3 >>> 24}`;
  }
  const groups = [group(w0), group(w0 >>> 16), group(w1), group(w1 >>> 16), group(w2), group(w2 >>> 16), group(w3), group(w3 >>> 16)]; // prettier-ignore
  let start = -1;
  let longest = 1; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > longest) [start, longest] = [i, n];
    if (n > 0) i += n;
  }
  const hex = (part: number[]) => part.map((g) => g.toString(16)).join(':');
  return start < 0 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + longest))}`;
}

/** A 16-bit group in network order, from the low half of a little-endian word. */
function group(word: number): number {
  return ((word & 0xff) << 8) | ((word >>> 8) & 0xff);
}
