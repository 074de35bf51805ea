/** 16 bytes of an address that `net.isIP` accepts, IPv4 as ::ffff:a.b.c.d; a zone is left off. */
export function addressBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  if (!text.includes(':')) {
    bytes.fill(0xff, 10, 12);
    bytes.set(text.split('.').map(Number), 12);
    return bytes;
  }
  const [plain = ''] = text.split('%');
  const [head = '', tail] = plain.split('::');
  const start = groups(head);
  bytes.set(start);
  if (tail !== undefined) {
    const end = groups(tail);
    bytes.set(end, 16 - end.length);
  }
  return bytes;
}

/** The text of 16 bytes, RFC 5952. */
export function addressText(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) return bytes.subarray(12).join('.');
  const text = words.map((word) => word.toString(16)).join(':');
  const longest = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].reduce(
    (a, b) => (b[0].length > a.length ? b[0] : a),
    '',
  );
  if (longest === '') return text;
  const at = text.indexOf(longest);
  return `${text.slice(0, at)}::${text.slice(at + longest.length).replace(/^:/, '')}`;
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const word = Number.parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}
