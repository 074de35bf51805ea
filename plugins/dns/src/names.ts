/** Most bytes of a name in a message, the root's zero byte included (RFC 1035, 3.1). */
export const MAX_NAME = 255;
const MAX_LABEL = 63;
/** Pointers followed in one name. */
const MAX_POINTERS = 128;

/** Why a name cannot be read, as negative numbers. */
export const NAME_CUT = -1; // ends within
export const NAME_LABEL = -2; // a label of an unknown kind
export const NAME_POINTER = -3; // a compression pointer that does not point backwards
export const NAME_LONG = -4; // longer than MAX_NAME

const DOT = 0x2e;
/** `@ $ " ( ) . ; \` stand with a backslash in zone files. */
const QUOTED = new Set([0x40, 0x24, 0x22, 0x28, 0x29, 0x2e, 0x3b, 0x5c]);

/** A name taken from a message: as on the wire, uncompressed, ends in a zero byte. */
export interface NameBuffer {
  readonly bytes: Uint8Array;
  length: number;
}

/** The offset behind the name at `at`, as {@link readName} has it, but following no pointer. */
export function skipName(bytes: Uint8Array, from: number, at: number, end: number): number {
  const start = at;
  while (at < end) {
    const size = bytes[at]!;
    if (size === 0) return at + 1;
    if (size >= 0xc0) {
      if (at + 1 >= end) return NAME_CUT;
      return from + (((size & 0x3f) << 8) | bytes[at + 1]!) < start ? at + 2 : NAME_POINTER;
    }
    if (size > MAX_LABEL) return NAME_LABEL;
    at += size + 1;
    if (at - start > MAX_NAME) return NAME_LONG;
  }
  return NAME_CUT;
}

/**
 * Reads the name at `at` of the message that lies in `bytes` from `from` to `end`, into `into`, in lower case with `fold`.
 * Returns the offset behind it, or one of the negative numbers above. Terminates on any bytes: a pointer must point in
 * front of where it was reached, there are 128 of them at most, and the name has at most 255 bytes.
 */
export function readName(
  bytes: Uint8Array,
  from: number,
  at: number,
  end: number,
  into: NameBuffer,
  fold = false,
): number {
  const out = into.bytes;
  let behind = -1;
  let length = 0;
  let limit = at;
  let pointers = 0;
  for (;;) {
    if (at >= end) return NAME_CUT;
    const size = bytes[at]!;
    if (size > MAX_LABEL) {
      if (size < 0xc0) return NAME_LABEL;
      if (at + 1 >= end) return NAME_CUT;
      if (behind < 0) behind = at + 2;
      const target = from + (((size & 0x3f) << 8) | bytes[at + 1]!);
      if (target >= limit || ++pointers > MAX_POINTERS) return NAME_POINTER;
      at = limit = target;
      continue;
    }
    if (length + size + 1 > MAX_NAME) return NAME_LONG;
    if (at + size >= end && size > 0) return NAME_CUT;
    out[length] = size;
    for (let i = 1; i <= size; i++) {
      const byte = bytes[at + i]!;
      out[length + i] = fold && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    length += size + 1;
    at += size + 1;
    if (size > 0) continue;
    into.length = length;
    return behind < 0 ? at : behind;
  }
}

const plain = Buffer.alloc(MAX_NAME);

/** Text of an uncompressed name, escaped as in zone files, without the last dot; "." is the root. At most 1012 characters. */
export function nameText(bytes: Uint8Array, length: number): string {
  if (length <= 1) return '.';
  // nearly every name needs no escapes: one string then, not one for each character
  for (let at = 0; at < length - 1; at += bytes[at]! + 1) {
    const end = at + bytes[at]!;
    for (let i = at + 1; i <= end; i++) {
      const byte = bytes[i]!;
      if (byte <= 0x20 || byte >= 0x7f || QUOTED.has(byte)) return escapedText(bytes, length);
      plain[i - 1] = byte;
    }
    plain[end] = DOT;
  }
  return plain.toString('latin1', 0, length - 2);
}

function escapedText(bytes: Uint8Array, length: number): string {
  let text = '';
  for (let at = 0; at < length - 1; at += bytes[at]! + 1) {
    if (at > 0) text += '.';
    const end = at + bytes[at]!;
    for (let i = at + 1; i <= end; i++) {
      const byte = bytes[i]!;
      if (byte <= 0x20 || byte >= 0x7f) text += `\\${String(byte).padStart(3, '0')}`;
      else text += QUOTED.has(byte) ? `\\${String.fromCharCode(byte)}` : String.fromCharCode(byte);
    }
  }
  return text;
}
