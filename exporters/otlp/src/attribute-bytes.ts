import { type AttributeWriter, address, isMapped, type Key } from './attribute-writer.ts';
import { BlockWriter } from './block-writer.ts';
import { varintSize } from './byte-writer.ts';

/** Attributes as they stand in a LogRecord: field 6, a KeyValue each. */
const ATTRIBUTE = (6 << 3) | 2;
const VALUE = (2 << 3) | 2;

/** Writes attributes as protocol buffers, without an object in between; what many records share is copied from the last time. */
export class AttributeBytes extends BlockWriter implements AttributeWriter {
  text(key: Key, value: string): void {
    const bytes = byteLength(value);
    this.begin(key, 1 + varintSize(bytes) + bytes);
    this.buffer[this.length++] = 0x0a;
    this.varint(bytes);
    this.utf8(value, bytes);
  }

  /** As the SDK does: a whole number in 64 bits is an integer, everything else a double. */
  number(key: Key, value: number): void {
    if (value >= 0 && value <= Number.MAX_SAFE_INTEGER && Number.isInteger(value)) {
      this.begin(key, 1 + varintSize(value));
      this.buffer[this.length++] = 0x18;
      this.varint(value);
    } else if (Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63) {
      this.begin(key, 1 + varintSize64(value));
      this.buffer[this.length++] = 0x18;
      this.varint64(BigInt.asUintN(64, BigInt(value)));
    } else {
      this.begin(key, 9);
      this.buffer[this.length++] = 0x21;
      this.double(value);
    }
  }

  flag(key: Key, value: boolean): void {
    this.begin(key, 2);
    this.buffer[this.length++] = 0x10;
    this.buffer[this.length++] = value ? 1 : 0;
  }

  texts(key: Key, values: readonly string[]): void {
    let size = 0;
    const sizes = values.map((value) => {
      const bytes = byteLength(value);
      const own = 1 + varintSize(bytes) + bytes;
      size += 1 + varintSize(own) + own;
      return bytes;
    });
    this.begin(key, 1 + varintSize(size) + size);
    this.buffer[this.length++] = 0x2a;
    this.varint(size);
    for (const [i, value] of values.entries()) {
      const bytes = sizes[i]!;
      this.room(12 + bytes);
      this.buffer[this.length++] = 0x0a;
      this.varint(1 + varintSize(bytes) + bytes);
      this.buffer[this.length++] = 0x0a;
      this.varint(bytes);
      this.utf8(value, bytes);
    }
  }

  address(key: Key, bytes: Uint8Array, at: number): void {
    if (!isMapped(bytes, at)) return this.text(key, address(bytes, at));
    let size = 7; // three dots, and a digit of each
    for (let i = at + 12; i < at + 16; i++) size += bytes[i]! > 99 ? 2 : bytes[i]! > 9 ? 1 : 0;
    this.begin(key, 2 + size);
    this.buffer[this.length++] = 0x0a;
    this.buffer[this.length++] = size;
    this.dotted(bytes, at);
  }

  /** Everything of an attribute before what is in its value, with room for `size` more bytes. */
  private begin(key: Key, size: number): void {
    const { bytes } = key;
    this.room(bytes.length + size + 16);
    this.buffer[this.length++] = ATTRIBUTE;
    this.varint(bytes.length + 1 + varintSize(size) + size);
    this.short(bytes);
    this.buffer[this.length++] = VALUE;
    this.varint(size);
  }
}

function varintSize64(value: number): number {
  return value < 0 ? 10 : value < 2 ** 56 ? 8 : 9;
}

/** Bytes of a text in UTF-8. */
function byteLength(value: string): number {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 127) return Buffer.byteLength(value);
  return value.length;
}
