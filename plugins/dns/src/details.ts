import type { DnsDetails } from '@retina/sdk';
import { addressText } from './addresses.ts';
import { decode, Message, TYPE_CNAME } from './decode.ts';
import { codeName, typeName } from './iana.ts';
import { nameText, readName, skipName } from './names.ts';

/** Bytes of a message kept for the flow log; what a larger one says behind them is left out. */
const KEPT = 1024;
const ARENA = 65_536;
const MAX_CNAMES = 16;

/** Filled anew by whoever looks at details; never held across calls. */
const scratch = new Message();
const target = { bytes: new Uint8Array(256), length: 0 };

/** Copies of messages, many to a buffer: the flow log keeps thousands, and most are never looked at. */
export class Arena {
  private buffer = new Uint8Array(0);
  private used = 0;

  /** Keeps a message's bytes; what is written out of them comes when it is asked for. */
  keep(bytes: Uint8Array, from: number, end: number, latencyMs: number | undefined): DnsDetails {
    const length = Math.min(end - from, KEPT);
    if (this.used + length > this.buffer.length) {
      this.buffer = new Uint8Array(ARENA);
      this.used = 0;
    }
    const at = this.used;
    // a view made for it would cost more than the copy
    for (let i = 0; i < length; i++) this.buffer[at + i] = bytes[from + i]!;
    this.used += length;
    return new KeptMessage(this.buffer, at, length, latencyMs);
  }
}

/** A DNS message that is decoded when somebody reads it. */
class KeptMessage implements DnsDetails {
  readonly latencyMs?: number;
  readonly #bytes: Uint8Array;
  readonly #at: number;
  readonly #length: number;

  constructor(bytes: Uint8Array, at: number, length: number, latencyMs: number | undefined) {
    this.#bytes = bytes;
    this.#at = at;
    this.#length = length;
    if (latencyMs !== undefined) this.latencyMs = latencyMs;
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
