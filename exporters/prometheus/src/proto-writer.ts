const GROW = 64 * 1024;

/** Writes protocol buffers by hand: field numbers are the caller's, memory is used again. */
export class ProtoWriter {
  private buffer = Buffer.allocUnsafe(GROW);
  /** Bytes written; 0 starts anew. */
  length = 0;

  /** What was written, in the writer's own memory. */
  get written(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  uint(field: number, value: number): void {
    this.varint(field * 8);
    this.varint(value);
  }

  /** sint32 and sint64, exact to 2^52. */
  sint(field: number, value: number): void {
    this.uint(field, value < 0 ? -value * 2 - 1 : value * 2);
  }

  double(field: number, value: number): void {
    this.varint(field * 8 + 1);
    this.room(8);
    this.buffer.writeDoubleLE(value, this.length);
    this.length += 8;
  }

  text(field: number, value: string): void {
    const bytes = Buffer.byteLength(value);
    this.varint(field * 8 + 2);
    this.varint(bytes);
    this.room(bytes);
    this.length += this.buffer.write(value, this.length, bytes, 'utf8');
  }

  /** What `write` writes, as a message of its own. */
  message(field: number, write: () => void): void {
    this.varint(field * 8 + 2);
    this.sized(write);
  }

  /** Numbers one after the other. */
  packed(field: number, values: readonly number[]): void {
    this.message(field, () => values.forEach((value) => this.varint(value)));
  }

  /** Bytes written elsewhere, with their length before them. */
  sizedBytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** The length goes before what it measures: a byte is left for it, and what was written moves if that is not enough. */
  private sized(write: () => void): void {
    this.room(1);
    const start = ++this.length;
    write();
    const size = this.length - start;
    const extra = varintSize(size) - 1;
    if (extra > 0) {
      this.room(extra);
      this.buffer.copyWithin(start + extra, start, this.length);
    }
    this.length = start - 1;
    this.varint(size);
    this.length += size;
  }

  /** A copy of what was written; the writer is empty afterwards. */
  take(): Buffer {
    const taken = Buffer.from(this.written);
    this.length = 0;
    return taken;
  }

  /** A whole number of at least 0, exact to 2^53. */
  varint(value: number): void {
    this.room(10);
    let left = value > 0 ? Math.trunc(value) : 0;
    while (left > 127) {
      this.buffer[this.length++] = (left % 128) | 128;
      left = Math.floor(left / 128);
    }
    this.buffer[this.length++] = left;
  }

  private room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(bigger, 0, 0, this.length);
    this.buffer = bigger;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let left = value; left > 127; left = Math.floor(left / 128)) size++;
  return size;
}
