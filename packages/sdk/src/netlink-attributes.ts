/** Netlink attributes (struct nlattr), as every family but the oldest lays out its messages. */

const HEADER = 4;
const NESTED = 0x8000;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER are flags in the type's upper bits. */
const TYPE = 0x3fff;

/** Called with an attribute's type, and where in the bytes its value begins and ends. */
export type AttributeVisitor = (type: number, from: number, to: number) => void;

/**
 * Visits the attributes that lie in `bytes` from `from` to `to`, in order; none is allocated for. False, after those before
 * it, if one is shorter than its header or longer than what is left: the rest of such a message cannot be trusted.
 */
export function eachAttribute(bytes: Uint8Array, from: number, to: number, visit: AttributeVisitor): boolean {
  const end = Math.min(to, bytes.length);
  let at = from;
  while (at + HEADER <= end) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    if (length < HEADER || at + length > end) return false;
    visit((bytes[at + 2]! | (bytes[at + 3]! << 8)) & TYPE, at + HEADER, at + length);
    at += (length + 3) & ~3;
  }
  return at >= end;
}

/** One attribute: its header, its value (or the attributes nested in it), and padding to four bytes. */
export function attribute(type: number, value: Uint8Array | readonly Uint8Array[]): Uint8Array {
  const nested = !(value instanceof Uint8Array);
  const parts = nested ? value : [value];
  const length = HEADER + parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array((length + 3) & ~3);
  const tagged = nested ? type | NESTED : type;
  bytes.set([length & 0xff, length >> 8, tagged & 0xff, tagged >> 8]);
  let at = HEADER;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
