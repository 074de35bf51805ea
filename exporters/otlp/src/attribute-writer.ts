/** A name of an attribute, with its encodings. */
export interface Key {
  readonly name: string;
  /** The field `key` of a KeyValue: tag, length and name. */
  readonly bytes: Uint8Array;
  /** An element of a list in JSON as far as the value's content, the comma before it included. */
  readonly json: Uint8Array;
}

export function key(name: string): Key {
  const text = Buffer.from(name);
  if (text.length > 127) throw new RangeError(`the attribute name ${name} is too long`);
  return {
    name,
    bytes: Uint8Array.of(0x0a, text.length, ...text),
    json: Buffer.from(`,{"key":${JSON.stringify(name)},"value":{`),
  };
}

/** Attributes that say the same for many records, by a number. */
export type Block = 'terms' | 'src' | 'dst' | 'srcOwner' | 'dstOwner';

/** Takes a record's attributes, one after the other: as bytes, as JSON, and in the tests as the SDK's objects. */
export interface AttributeWriter {
  text(key: Key, value: string): void;
  number(key: Key, value: number): void;
  flag(key: Key, value: boolean): void;
  texts(key: Key, values: readonly string[]): void;
  /** The 16 bytes from `at` on, in network order, IPv4 as ::ffff:a.b.c.d, as text. */
  address(key: Key, bytes: Uint8Array, at: number): void;
  /** Writes a block that was remembered under this number and of this owner; false where it has to be written out, then `remember`ed. */
  recall(block: Block, id: number, owner: object | undefined): boolean;
  remember(block: Block, id: number, owner: object | undefined): void;
}

/** RFC 5952 text of the 16 bytes from `at` on, IPv4 without its prefix. */
export function address(bytes: Uint8Array, at: number): string {
  if (isMapped(bytes, at)) return bytes.subarray(at + 12, at + 16).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!);
  let best = { at: -1, length: 1 }; // a single zero group is not shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > best.length) best = { at: i, length: n };
    i += n;
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.at < 0) return text(groups);
  return `${text(groups.slice(0, best.at))}::${text(groups.slice(best.at + best.length))}`;
}

export function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}
