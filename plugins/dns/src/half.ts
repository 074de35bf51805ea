import { HEADER } from './decode.ts';
import type { Packet } from './packet.ts';

/** A segment that came too early. `missing` bytes behind it were not copied. */
interface Segment {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly missing: number;
}

const NOTHING = new Uint8Array(0);

/** One way of one TCP connection: where its messages stand. */
export class Half {
  readonly hash: number;
  /** Its first packet: whose it is. */
  readonly origin: Packet;
  /** Whether `next` is known: the number of the byte to read next. */
  synced = false;
  next = 0;
  /** Bytes of a message to be passed over. */
  skip = 0;
  /** A message that has come in part, its two bytes of length first. */
  buffer: Uint8Array = NOTHING;
  filled = 0;
  /** In the order of their numbers. */
  readonly segments: Segment[] = [];
  heldSince = 0;
  /** Bytes of the buffer and the segments. */
  memory = 0;
  strays = 0;
  touchedAt = 0;
  closed = false;
  /** Whether it leads to the server. */
  readonly toServer: boolean;

  constructor(hash: number, packet: Packet, toServer: boolean) {
    this.hash = hash;
    this.origin = packet.copy();
    this.toServer = toServer;
  }

  /** Whether bytes of which nothing else is known look as if a message began with them. */
  startsMessage(bytes: Uint8Array, from: number, end: number): boolean {
    if (end - from < 2 + HEADER) return false;
    const size = (bytes[from]! << 8) | bytes[from + 1]!;
    const questions = (bytes[from + 6]! << 8) | bytes[from + 7]!;
    return size >= HEADER && questions === 1 && bytes[from + 4]! < 0x80 === this.toServer;
  }

  /** Bytes of the stream that are kept. */
  get bytes(): number {
    return this.filled + this.memory - this.buffer.length;
  }

  /** Bytes the message says it has; -1 before that is known. */
  get size(): number {
    return this.filled < 2 ? -1 : (this.buffer[0]! << 8) | this.buffer[1]!;
  }

  /** Bytes of the message that have not come. */
  get left(): number {
    return 2 + this.size - this.filled;
  }

  /** Whether no more of the message is to be kept. */
  complete(most: number): boolean {
    return this.filled >= 2 && (this.left === 0 || this.filled === 2 + most);
  }

  /** Adds bytes from `at` to the message, of which at most `most` are kept. Returns how far it got. */
  collect(bytes: Uint8Array, at: number, end: number, most: number): number {
    while (this.filled < 2 && at < end) {
      this.reserve(2);
      this.buffer[this.filled++] = bytes[at++]!;
    }
    if (this.filled < 2) return at;
    const wanted = 2 + Math.min(this.size, most);
    const n = Math.min(wanted - this.filled, end - at);
    if (n <= 0) return at;
    this.reserve(Math.min(wanted, Math.max(512, 2 * (this.filled + n))));
    this.buffer.set(bytes.subarray(at, at + n), this.filled);
    this.filled += n;
    return at + n;
  }

  /** The message is done with; `left` bytes of it are to be passed over. */
  endMessage(left: number): void {
    this.memory -= this.buffer.length;
    this.buffer = NOTHING;
    this.filled = 0;
    this.skip = left;
  }

  insert(sequence: number, bytes: Uint8Array, missing: number): void {
    let at = this.segments.length;
    while (at > 0 && ((this.segments[at - 1]!.sequence - sequence) | 0) > 0) at--;
    this.segments.splice(at, 0, { sequence, bytes, missing });
    this.memory += bytes.length;
  }

  /** Takes the first segment away. */
  shift(): Segment {
    const first = this.segments.shift()!;
    this.memory -= first.bytes.length;
    return first;
  }

  /** Forgets where the stream stands, and the part of a message. Returns the memory that freed. */
  reset(): number {
    const freed = this.buffer.length;
    this.endMessage(0);
    this.synced = false;
    this.strays = 0;
    return freed;
  }

  private reserve(bytes: number): void {
    if (this.buffer.length >= bytes) return;
    const larger = new Uint8Array(bytes);
    larger.set(this.buffer);
    this.memory += bytes - this.buffer.length;
    this.buffer = larger;
  }
}
