/** Text of 4 or 16 address bytes at `at`, RFC 5952; IPv4-mapped ones as dotted quad. */
export function addressText(bytes: Uint8Array, at: number, size: number): string {
  if (size === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!);
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) return addressText(bytes, at + 12, 4);
  let start = -1;
  let longest = 1; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > longest) [start, longest] = [i, n];
    if (n > 0) i += n;
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return start < 0 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + longest))}`;
}

/** 4 or 16 address bytes as flow records have them: 16, IPv4 as ::ffff:a.b.c.d. A copy. */
export function mappedAddress(bytes: Uint8Array, at: number, size: number): Uint8Array {
  const mapped = new Uint8Array(16);
  if (size === 4) {
    mapped[10] = mapped[11] = 0xff;
    mapped.set(bytes.subarray(at, at + 4), 12);
  } else mapped.set(bytes.subarray(at, at + 16));
  return mapped;
}
