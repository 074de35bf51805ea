const FIRST = 64 * 1024;

/** Writes into memory that grows and is used again. Whoever writes a few bytes by hand asks for their `room` before. */
export class ByteWriter {
  buffer: Buffer = Buffer.alloc(FIRST);
  /** Where the next byte goes. */
  length = 0;

  room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const bigger = Buffer.alloc(Math.max(this.buffer.length * 2, this.length + bytes));
    bigger.set(this.buffer.subarray(0, this.length));
    this.buffer = bigger;
  }

  bytes(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A whole number from 0 to 2^53. Its room is there. */
  varint(value: number): void {
    let left = value;
    for (; left > 0x7fffffff; left = Math.floor(left / 128)) this.buffer[this.length++] = (left % 128) | 128;
    for (; left > 127; left >>>= 7) this.buffer[this.length++] = (left & 127) | 128;
    this.buffer[this.length++] = left;
  }

  varint64(value: bigint): void {
    let left = value;
    for (; left > 127n; left >>= 7n) this.buffer[this.length++] = Number(left & 127n) | 128;
    this.buffer[this.length++] = Number(left);
  }

  double(value: number): void {
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  /** Nanoseconds as fixed64, from whole seconds and nanoseconds below 2^30: more than 53 bits. Its room is there. */
  nanoseconds(seconds: number, nanoseconds: number): void {
    const upper = Math.floor(seconds / 65_536) * 1e9; // × 2^16
    const lower = (seconds % 65_536) * 1e9 + nanoseconds + (upper % 65_536) * 65_536;
    this.buffer.writeUInt32LE(lower % 2 ** 32, this.length);
    this.buffer.writeUInt32LE(Math.floor(upper / 65_536) + Math.floor(lower / 2 ** 32), this.length + 4);
    this.length += 8;
  }

  /** A text of so many bytes in UTF-8. Its room is there. */
  utf8(value: string, bytes: number): void {
    if (bytes !== value.length) {
      this.length += this.buffer.write(value, this.length, bytes, 'utf8');
      return;
    }
    this.ascii(value);
  }

  /** A text of letters below 128. Its room is there. */
  ascii(value: string): void {
    for (let i = 0; i < value.length; i++) this.buffer[this.length++] = value.charCodeAt(i);
  }

  /** A few bytes, for which a call would cost more. Their room is there. */
  short(bytes: Uint8Array): void {
    const { buffer } = this;
    let at = this.length;
    for (let i = 0; i < bytes.length; i++) buffer[at++] = bytes[i]!;
    this.length = at;
  }

  /** A number as JavaScript writes it. Its room, 24 bytes, is there. */
  digits(value: number): void {
    const whole = value >>> 0;
    if (whole !== value) return this.ascii(String(value));
    let size = 1;
    for (let left = whole; left > 9; left = (left / 10) >>> 0) size++;
    this.padded(whole, size);
  }

  /** The last `size` digits of a whole number below 2^32. Their room is there. */
  padded(value: number, size: number): void {
    let left = value;
    for (let at = this.length + size - 1; at >= this.length; at--) {
      const more = (left / 10) >>> 0;
      this.buffer[at] = 0x30 + left - more * 10;
      left = more;
    }
    this.length += size;
  }

  /** The last four of the 16 bytes from `at` on, as an IPv4 address. Its room is there. */
  dotted(bytes: Uint8Array, at: number): void {
    for (let i = 12; i < 16; i++) {
      if (i > 12) this.buffer[this.length++] = 0x2e;
      this.digits(bytes[at + i]!);
    }
  }
}

/** Bytes of a whole number from 0 to 2^53 as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let left = value; left > 127; left = Math.floor(left / 128)) size++;
  return size;
}
