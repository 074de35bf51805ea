import type { AddressNames } from '@retina/sdk';
import { mappedAddress } from './addresses.ts';
import type { Message } from './decode.ts';
import { hashBytes, mix, SEED } from './hash.ts';
import { nameText } from './names.ts';

const SLOTS = 16_384;
/** An answer that was learnt is not learnt again for half its time to live, and no longer than this. */
const REST_MS = 30_000;

/** Tells the host the names that addresses were asked for by. */
export class Hints {
  private readonly names: AddressNames;
  private readonly hashes = new Int32Array(SLOTS);
  private readonly until = new Float64Array(SLOTS);

  constructor(names: AddressNames) {
    this.names = names;
  }

  /** Until when, by the clock of `now`, the same answer need not be told again. */
  learn(message: Message, bytes: Uint8Array, now: number): number {
    const { name, addresses, addressAt, addressSize, ttl } = message;
    let hash = hashBytes(SEED, name.bytes, 0, name.length);
    for (let i = 0; i < addresses; i++) {
      hash = (hash + hashBytes(SEED, bytes, addressAt[i]!, addressAt[i]! + addressSize[i]!)) | 0;
    }
    const slot = mix(SEED, hash) & (SLOTS - 1);
    if (this.hashes[slot] === hash && now < this.until[slot]!) return this.until[slot]!;
    this.hashes[slot] = hash;
    this.until[slot] = now + Math.min(Math.max(ttl, 0) * 500, REST_MS);
    const text = nameText(name.bytes, name.length);
    for (let i = 0; i < addresses; i++) {
      this.names.learn(mappedAddress(bytes, addressAt[i]!, addressSize[i]!), text, Math.max(ttl, 0));
    }
    return this.until[slot];
  }
}
