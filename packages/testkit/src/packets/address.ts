/** 4 or 16 bytes of a textual address, `10.0.0.1` or `fd00::1` (also with an embedded dotted quad). */
export function addressBytes(text: string): Uint8Array {
  if (!text.includes(':')) return Uint8Array.from(quad(text));
  const [head = '', tail] = text.split('::') as [string, string?];
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const missing = 16 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 2) throw new TypeError(`Expected an address but received ${text}`);
  return Uint8Array.from([...left, ...new Array<number>(missing).fill(0), ...right]);
}

/** 16 bytes, IPv4 as ::ffff:a.b.c.d: the form flow records use. */
export function mappedAddress(text: string): Uint8Array {
  const bytes = addressBytes(text);
  if (bytes.length === 16) return bytes;
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(bytes, 12);
  return mapped;
}

/** Text of 4 or 16 bytes as RFC 5952 has it; v4-mapped addresses as dotted quads. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return bytes.subarray(12).join('.');
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let [best, bestLength] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n++;
    if (n > bestLength) [best, bestLength] = [i, n];
  }
  const hex = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((w) => w.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':').map((part) => parseInt(part, 16)));
}

function quad(text: string): number[] {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((n) => !Number.isInteger(n) || n < 0 || n > 255)) {
    throw new TypeError(`Expected an address but received ${text}`);
  }
  return parts;
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return quad(group);
    const word = parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}
