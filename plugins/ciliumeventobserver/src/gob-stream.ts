import { GobError, GobInput } from './gob-input.ts';
import { GobTypes, WIRE_TYPE, type GobValue } from './gob-types.ts';
import { readTop } from './gob-values.ts';

export interface GobEvents {
  /** A value; bytes in it are borrowed, valid until this returns. */
  value(value: GobValue): void;
  /** A message that cannot be read; the ones after it can. */
  skipped(error: GobError): void;
}

/** A message says its length in at most this many bytes. */
const LONGEST_HEADER = 9;
/** Go itself refuses longer ones: where such a length stands, none was written. */
const NO_LENGTH = 2 ** 30;
/** Messages in a row that make no sense, after which the place in the stream is taken to be lost. */
const MOST_SENSELESS = 16;

/**
 * Reads a stream of Go's encoding/gob, in pieces as they come. Messages above `limit` bytes are stepped over unread; at most
 * one message is held. `push` throws {@link GobError} where the stream cannot be followed any further.
 */
export class GobStream {
  private readonly limit: number;
  private readonly events: GobEvents;
  private readonly types = new GobTypes();
  private held: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  private length = 0;
  /** Bytes that must be held before there is something to read. */
  private wanted = 1;
  private skipping = 0;
  private senseless = 0;

  constructor(limit: number, events: GobEvents) {
    this.limit = limit;
    this.events = events;
  }

  /** Whether the stream stands within a message. */
  get within(): boolean {
    return this.length > 0 || this.skipping > 0;
  }

  push(piece: Uint8Array): void {
    let bytes = piece;
    if (this.length > 0) {
      this.hold(bytes);
      if (this.length < this.wanted) return;
      bytes = this.held.subarray(0, this.length);
    }
    const used = this.read(bytes);
    if (this.length > 0) {
      this.held.copyWithin(0, used, this.length);
      this.length -= used;
    } else this.hold(bytes.subarray(used));
  }

  /** Reads every whole message; returns how many bytes are done with. */
  private read(bytes: Uint8Array): number {
    let at = 0;
    for (;;) {
      if (this.skipping > 0) {
        const step = Math.min(this.skipping, bytes.length - at);
        this.skipping -= step;
        at += step;
      }
      const header = headerOf(bytes, at);
      if (header === undefined) {
        this.wanted = bytes.length - at + 1;
        return at;
      }
      const { size, length } = header;
      if (length > this.limit) {
        this.events.skipped(new GobError('too_large', `a message of ${length} bytes`));
        this.skipping = length;
        at += size;
        continue;
      }
      const end = at + size + length;
      if (end > bytes.length) {
        this.wanted = size + length;
        return at;
      }
      this.message(bytes.subarray(at + size, end));
      at = end;
    }
  }

  private message(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const input = new GobInput(bytes);
    const id = input.int();
    // what follows cannot be read without a definition: its failure ends the stream
    if (id < 0) return this.types.define(-id, readTop(input, this.types, WIRE_TYPE));
    let value: GobValue;
    try {
      value = readTop(input, this.types, id);
    } catch (error) {
      if (!(error instanceof GobError) || error.problem === 'unknown_type' || ++this.senseless >= MOST_SENSELESS)
        throw error;
      this.events.skipped(error);
      return;
    }
    this.senseless = 0;
    this.events.value(value);
  }

  private hold(piece: Uint8Array): void {
    const needed = this.length + piece.length;
    if (needed > this.held.length) {
      const larger = new Uint8Array(Math.max(needed, this.held.length * 2));
      larger.set(this.held.subarray(0, this.length));
      this.held = larger;
    }
    this.held.set(piece, this.length);
    this.length = needed;
  }
}

/** How long the message at `at` is, and the number that says so; undefined while that number is not all there. */
function headerOf(bytes: Uint8Array, at: number): { readonly size: number; readonly length: number } | undefined {
  const input = new GobInput(bytes.subarray(at, at + LONGEST_HEADER));
  if (input.left === 0) return undefined;
  const first = input.bytes[0]!;
  const size = first < 0x80 ? 1 : 257 - first;
  if (size <= LONGEST_HEADER && size > input.left) return undefined;
  const length = input.uint();
  if (length >= NO_LENGTH) throw new GobError('malformed', `a message of ${length} bytes`);
  return { size, length };
}
