import { mix, SEED } from './hash.ts';
import type { Packet } from './packet.ts';

const WORDS = 11; // client, server, ports, id and protocol, place
const NONE = -1;

/**
 * Queries that wait for their response, by client, server, ports, id, protocol and place; by slot what is kept of each.
 * Bounded: when it is full the oldest gives way. All wait equally long, so the oldest is always the next to go.
 */
export class Pending {
  readonly capacity: number;
  /** Queries that wait. */
  size = 0;
  /** When the query passed the tap (CLOCK_MONOTONIC, ms). */
  readonly sentAt: Float64Array;
  /** Whether it counts here, or at another tap. */
  readonly counted: Uint8Array;
  readonly family: Uint8Array;
  /** Which way it passed the tap, and whether that is one seen from the host. */
  readonly egress: Uint8Array;
  readonly network: Uint8Array;
  readonly ifindex: Uint32Array;
  readonly typeLabel: Uint32Array;
  readonly queryLabel: Uint32Array;
  /** When it was read, by our own clock. */
  private readonly readAt: Float64Array;
  /** Hash of the question: a response to another one is none. 0 matches any. */
  private readonly question: Int32Array;
  private readonly keys: Int32Array;
  /** Chains of slots with one hash, by bucket. */
  private readonly heads: Int32Array;
  private readonly chain: Int32Array;
  /** All by age, and the free ones by `newer`. */
  private readonly newer: Int32Array;
  private readonly older: Int32Array;
  private oldest = NONE;
  private newest = NONE;
  private free = 0;
  private readonly key = new Int32Array(WORDS);
  private bucket = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.sentAt = new Float64Array(capacity);
    this.counted = new Uint8Array(capacity);
    this.family = new Uint8Array(capacity);
    this.egress = new Uint8Array(capacity);
    this.network = new Uint8Array(capacity);
    this.ifindex = new Uint32Array(capacity);
    this.typeLabel = new Uint32Array(capacity);
    this.queryLabel = new Uint32Array(capacity);
    this.readAt = new Float64Array(capacity);
    this.question = new Int32Array(capacity);
    this.keys = new Int32Array(capacity * WORDS);
    this.chain = new Int32Array(capacity);
    this.newer = Int32Array.from({ length: capacity }, (_, slot) => (slot + 1 < capacity ? slot + 1 : NONE));
    this.older = new Int32Array(capacity);
    this.heads = new Int32Array(2 ** Math.ceil(Math.log2(capacity))).fill(NONE);
  }

  /** The slot of the query a response answers, or of a query sent before; -1 if there is none. It stays until {@link remove}. */
  find(packet: Packet, response: boolean, id: number, question: number): number {
    this.setKey(packet, response, id);
    for (let slot = this.heads[this.bucket]!; slot !== NONE; slot = this.chain[slot]!) {
      if (!this.equals(slot)) continue;
      const asked = this.question[slot]!;
      if (asked === question || asked === 0 || question === 0) return slot;
    }
    return NONE;
  }

  /** A slot for the query that {@link find} has just not found. Where it is full, `gone` is told the oldest, which goes. */
  add(packet: Packet, question: number, now: number, gone: (slot: number) => void): number {
    if (this.free === NONE) {
      gone(this.oldest);
      this.remove(this.oldest);
    }
    const slot = this.free;
    this.free = this.newer[slot]!;
    this.size++;
    this.keys.set(this.key, slot * WORDS);
    this.sentAt[slot] = packet.at;
    this.readAt[slot] = now;
    this.question[slot] = question;
    this.chain[slot] = this.heads[this.bucket]!;
    this.heads[this.bucket] = slot;
    this.newer[slot] = NONE;
    this.older[slot] = this.newest;
    if (this.newest === NONE) this.oldest = slot;
    else this.newer[this.newest] = slot;
    this.newest = slot;
    return slot;
  }

  /** Frees a slot in use. */
  remove(slot: number): void {
    let hash = SEED;
    for (let i = 0; i < WORDS; i++) hash = mix(hash, this.keys[slot * WORDS + i]!);
    const bucket = hash & (this.heads.length - 1);
    let before = this.heads[bucket]!;
    if (before === slot) this.heads[bucket] = this.chain[slot]!;
    else {
      while (this.chain[before] !== slot) before = this.chain[before]!;
      this.chain[before] = this.chain[slot]!;
    }
    const [older, newer] = [this.older[slot]!, this.newer[slot]!];
    if (older === NONE) this.oldest = newer;
    else this.newer[older] = newer;
    if (newer === NONE) this.newest = older;
    else this.older[newer] = older;
    this.newer[slot] = this.free;
    this.free = slot;
    this.size--;
  }

  /** Gives up every query read before `deadline`; `late` is told each while it is still there. */
  expire(deadline: number, late: (slot: number) => void): void {
    while (this.oldest !== NONE && this.readAt[this.oldest]! <= deadline) {
      late(this.oldest);
      this.remove(this.oldest);
    }
  }

  /** Client's, then server's address of a query: 32 bytes, borrowed. */
  addresses(slot: number): Uint8Array {
    return new Uint8Array(this.keys.buffer, slot * WORDS * 4, 32);
  }
  clientPort(slot: number): number {
    return this.keys[slot * WORDS + 8]! >>> 16;
  }
  serverPort(slot: number): number {
    return this.keys[slot * WORDS + 8]! & 0xffff;
  }
  protocol(slot: number): number {
    return this.keys[slot * WORDS + 9]! & 0xff;
  }

  private setKey(packet: Packet, response: boolean, id: number): void {
    const { key } = this;
    const { words, sourcePort, destinationPort } = packet;
    const client = response ? 4 : 0;
    for (let i = 0; i < 4; i++) {
      key[i] = words[client + i]!;
      key[4 + i] = words[4 - client + i]!;
    }
    key[8] = response ? (destinationPort << 16) | sourcePort : (sourcePort << 16) | destinationPort;
    key[9] = (id << 8) | packet.protocol;
    key[10] = packet.place;
    let hash = SEED;
    for (let i = 0; i < WORDS; i++) hash = mix(hash, key[i]!);
    this.bucket = hash & (this.heads.length - 1);
  }

  private equals(slot: number): boolean {
    const at = slot * WORDS;
    for (let i = 0; i < WORDS; i++) if (this.keys[at + i] !== this.key[i]) return false;
    return true;
  }
}
