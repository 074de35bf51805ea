import { type AttributeWriter, address, isMapped, type Key } from './attribute-writer.ts';
import { BlockWriter } from './block-writer.ts';

const STRING = Buffer.from('"stringValue":"');
const INTEGER = Buffer.from('"intValue":');
const DOUBLE = Buffer.from('"doubleValue":');
const BOOLEAN = Buffer.from('"boolValue":');
const ARRAY = Buffer.from('"arrayValue":{"values":[');
const QUOTE = 0x22;
const BRACE = 0x7d;

/** Writes attributes as OTLP's JSON: elements of an array, each behind a comma. No text is made that is not one already. */
export class AttributeJson extends BlockWriter implements AttributeWriter {
  text(key: Key, value: string): void {
    this.begin(key, STRING);
    this.quoted(value);
    this.end();
  }

  number(key: Key, value: number): void {
    if (Number.isInteger(value)) {
      this.begin(key, INTEGER);
      this.digits(value);
    } else {
      this.begin(key, DOUBLE);
      if (Number.isFinite(value)) this.digits(value);
      else this.ascii('null');
    }
    this.end();
  }

  flag(key: Key, value: boolean): void {
    this.begin(key, BOOLEAN);
    this.ascii(value ? 'true' : 'false');
    this.end();
  }

  texts(key: Key, values: readonly string[]): void {
    this.begin(key, ARRAY);
    for (let i = 0; i < values.length; i++) {
      this.room(32);
      this.ascii(i > 0 ? ',{' : '{');
      this.short(STRING);
      this.quoted(values[i]!);
      this.buffer[this.length++] = BRACE;
    }
    this.room(8);
    this.ascii(']}');
    this.end();
  }

  address(key: Key, bytes: Uint8Array, at: number): void {
    this.begin(key, STRING);
    if (isMapped(bytes, at)) this.dotted(bytes, at);
    else this.ascii(address(bytes, at));
    this.buffer[this.length++] = QUOTE;
    this.end();
  }

  /** A text as far as the quote behind it; the one before it stands. Leaves some room. */
  private quoted(value: string): void {
    this.room(value.length + 16);
    const start = this.length;
    const { buffer } = this;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === 0x5c) return this.escaped(value, start);
      buffer[this.length++] = code;
    }
    buffer[this.length++] = QUOTE;
  }

  private escaped(value: string, start: number): void {
    const json = JSON.stringify(value);
    this.length = start - 1; // its own quote
    this.room(json.length * 3 + 16);
    this.length += this.buffer.write(json, this.length);
  }

  private begin({ json }: Key, type: Uint8Array): void {
    this.room(json.length + 96); // of the value: what is no text
    this.short(json);
    this.short(type);
  }

  private end(): void {
    this.buffer[this.length++] = BRACE;
    this.buffer[this.length++] = BRACE;
  }
}
