import type { DetailsStore, DnsDetails } from '@retina/sdk';
import { addressText } from './addresses.ts';
import { decode, Message, TYPE_CNAME } from './decode.ts';
import { codeName, typeName } from './iana.ts';
import { nameText, readName, skipName } from './names.ts';

/** Bytes of a message kept for the flow log; what a larger one says behind them is left out. */
const KEPT = 1024;
const ARENA = 65_536;
const LENGTH_BITS = 11;
const MAX_CNAMES = 16;

/** Filled anew by whoever looks at details; never held across calls. */
const scratch = new Message();
const target = { bytes: new Uint8Array(256), length: 0 };

/** Memory for many messages: their bytes, and in front of each its latency in milliseconds, negative for none. */
class Chunk implements DetailsStore {
  readonly bytes = new Uint8Array(new ArrayBuffer(ARENA));
  readonly latencies = new Float64Array(this.bytes.buffer);

  /** `place`: where a message's bytes begin, and in the lower bits how many there are. */
  details(place: number): { readonly dns: DnsDetails } {
    return { dns: new KeptMessage(this, place >>> LENGTH_BITS, place & ((1 << LENGTH_BITS) - 1)) };
  }
}

/** Copies of messages, many to a chunk: the flow log keeps thousands, and most are never looked at. */
export class Arena {
  /** Where the last message was kept. */
  chunk = new Chunk();
  private used = 0;

  /** Keeps a message's bytes and gives its place in {@link chunk}. `latencyMs` is negative where there is none. */
  keep(bytes: Uint8Array, from: number, end: number, latencyMs: number): number {
    const length = Math.min(end - from, KEPT);
    if (this.used + 8 + length > ARENA) {
      this.chunk = new Chunk();
      this.used = 0;
    }
    const { chunk } = this;
    const at = this.used + 8;
    chunk.latencies[this.used >> 3] = latencyMs;
    // a view made for it would cost more than the copy
    for (let i = 0; i < length; i++) chunk.bytes[at + i] = bytes[from + i]!;
    this.used = (at + length + 7) & ~7;
    return (at << LENGTH_BITS) | length;
  }
}

/** A DNS message that is decoded when somebody reads it. */
class KeptMessage implements DnsDetails {
  readonly #chunk: Chunk;
  readonly #at: number;
  readonly #length: number;

  constructor(chunk: Chunk, at: number, length: number) {
    this.#chunk = chunk;
    this.#at = at;
    this.#length = length;
  }

  get id(): number {
    return this.message.id;
  }
  get response(): boolean {
    return this.message.response;
  }
  get query(): string {
    return this.message.questions > 0 ? this.nameAt(this.#at + 12) : '';
  }
  get queryType(): string {
    return typeName(this.message.type);
  }
  get truncated(): boolean {
    return this.message.truncated;
  }
  get responseCode(): string {
    return this.answer((message) => codeName(message.code));
  }
  get answers(): number {
    return this.answer((message) => message.answers);
  }
  get ttl(): number {
    return this.answer(({ ttl }) => (ttl < 0 ? undefined : ttl));
  }
  get addresses(): readonly string[] {
    return this.answer(({ addresses, addressAt, addressSize }) =>
      Array.from({ length: addresses }, (_, i) => addressText(this.#bytes, addressAt[i]!, addressSize[i]!)),
    );
  }
  get latencyMs(): number {
    const latency = this.#chunk.latencies[(this.#at >> 3) - 1]!;
    return (latency < 0 ? undefined : latency) as number;
  }
  get cnames(): readonly string[] {
    return this.answer(({ questions, answers }) => this.readCnames(questions, answers));
  }

  /** What JSON shows: getters are no members of their own. */
  toJSON(): DnsDetails {
    const { id, response, query, queryType, truncated, latencyMs } = this;
    const latency = latencyMs === undefined ? {} : { latencyMs };
    if (!response) return { id, response, query, queryType, truncated };
    const { responseCode, answers, addresses, cnames, ttl } = this;
    const more = ttl === undefined ? {} : { ttl };
    return { id, response, query, queryType, truncated, responseCode, answers, addresses, cnames, ...more, ...latency };
  }

  get #bytes(): Uint8Array {
    return this.#chunk.bytes;
  }

  private get message(): Message {
    decode(this.#bytes, this.#at, this.#at + this.#length, false, scratch);
    return scratch;
  }

  /** A value that only responses have; left out of queries. */
  private answer<T>(read: (message: Message) => T | undefined): T {
    const { message } = this;
    return (message.response ? read(message) : undefined) as T;
  }

  private nameAt(at: number): string {
    return readName(this.#bytes, this.#at, at, this.#at + this.#length, target) < 0
      ? ''
      : nameText(target.bytes, target.length);
  }

  /** Targets of the answer's CNAME records, in its order: servers give them along the chain. */
  private readCnames(questions: number, answers: number): string[] {
    const [bytes, from, end] = [this.#bytes, this.#at, this.#at + this.#length];
    const found: string[] = [];
    let at = from + 12;
    for (let i = 0; i < Math.min(questions, 16) && at > 0; i++) at = skipName(bytes, from, at, end) + 4;
    for (let i = 0; i < answers && found.length < MAX_CNAMES; i++) {
      at = skipName(bytes, from, at, end);
      if (at < 0 || at + 10 > end) break;
      const data = at + 10;
      if (((bytes[at]! << 8) | bytes[at + 1]!) === TYPE_CNAME) found.push(this.nameAt(data));
      at = data + ((bytes[at + 8]! << 8) | bytes[at + 9]!);
    }
    return found;
  }
}
