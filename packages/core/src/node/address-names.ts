import type { AddressNames } from '@retina/sdk';

const MAX_ADDRESSES = 65_536;
const MAX_NAMES = 4;
/** Characters of all names together: they come from packets, and long ones must not cost much memory. */
const MAX_TEXT = 4 * 1024 * 1024;
/** What a DNS name may have at most when every byte of it is escaped. */
const MAX_NAME = 1024;
const MAX_TTL_SECONDS = 86_400;

interface Name {
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  until: number;
}

/** Names of addresses by what DNS answers said. Bounded by addresses, by names of each and by text; what was learned longest ago gives way. */
export class AddressNameTable implements AddressNames {
  private readonly now: () => number;
  /** Longest not learned first; names of each newest first. */
  private readonly table = new Map<string, Name[]>();
  private text = 0;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  /** Addresses with a name, among them some whose names have just expired. */
  get size(): number {
    return this.table.size;
  }

  learn(address: Uint8Array, name: string, ttlSeconds: number): void {
    if (address.length !== 16 || name === '' || name.length > MAX_NAME) return;
    const ttl = Math.min(Math.max(1, ttlSeconds || 1), MAX_TTL_SECONDS);
    const key = keyOf(address);
    const names = this.table.get(key) ?? [];
    this.table.delete(key);
    const at = names.findIndex((known) => known.name === name);
    const [known] = at >= 0 ? names.splice(at, 1) : [];
    if (!known) this.text += name.length;
    names.unshift({ name, until: this.now() + ttl * 1000 });
    if (names.length > MAX_NAMES) this.text -= names.pop()!.name.length;
    this.table.set(key, names);
    while (this.table.size > MAX_ADDRESSES || this.text > MAX_TEXT) this.forgetOldest();
  }

  of(address: Uint8Array): readonly string[] {
    const names = this.table.get(keyOf(address));
    if (!names) return [];
    const now = this.now();
    return names.filter(({ until }) => until > now).map(({ name }) => name);
  }

  /** Drops what has expired. */
  sweep(): void {
    const now = this.now();
    for (const [key, names] of this.table) {
      for (let i = names.length - 1; i >= 0; i--) {
        if (names[i]!.until <= now) this.text -= names.splice(i, 1)[0]!.name.length;
      }
      if (names.length === 0) this.table.delete(key);
    }
  }

  private forgetOldest(): void {
    const [oldest] = this.table;
    if (!oldest) return;
    for (const { name } of oldest[1]) this.text -= name.length;
    this.table.delete(oldest[0]);
  }
}

function keyOf(address: Uint8Array): string {
  return String.fromCharCode.apply(null, address as unknown as number[]);
}
