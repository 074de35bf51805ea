/** Why a message, or a whole stream, cannot be read. The value of a metric's label. */
export type GobProblem = 'truncated' | 'malformed' | 'unknown_type' | 'too_deep' | 'too_many' | 'too_large';

/** A message breaks the rules of Go's encoding/gob, or a bound of ours. */
export class GobError extends Error {
  override readonly name = 'GobError';
  readonly problem: GobProblem;

  constructor(problem: GobProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

/** The first byte of a number below this is the number; else 256 minus it says how many bytes follow. */
const ONE_BYTE = 0x80;
const MOST_BYTES = 8;
const numbers = new DataView(new ArrayBuffer(8));

/** Reads the primitives of encoding/gob from one message. Throws {@link GobError}, never reads past the end. */
export class GobInput {
  readonly bytes: Uint8Array;
  at = 0;
  /** Lists, maps and structures read so far: what a message may make of few bytes is bounded by it. */
  values = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** An unsigned number; above 2^53 the nearest one JavaScript has. */
  uint(): number {
    const first = this.byte();
    if (first < ONE_BYTE) return first;
    const count = 256 - first;
    if (count > MOST_BYTES) throw new GobError('malformed', `a number of ${count} bytes`);
    if (count > this.left) throw new GobError('truncated', `a number of ${count} bytes where ${this.left} are left`);
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 256 + this.bytes[this.at++]!;
    return value;
  }

  /** A signed number: the lowest bit says that the others are its complement. */
  int(): number {
    const value = this.uint();
    const negative = (this.bytes[this.at - 1]! & 1) === 1;
    const half = Math.floor(value / 2);
    return negative ? -half - 1 : half;
  }

  /** A 64-bit floating-point number, whose bytes stand in reverse. */
  float(): number {
    const first = this.bytes[this.at] ?? 0;
    const count = first < ONE_BYTE ? 1 : 256 - first;
    const start = this.at;
    this.uint();
    numbers.setBigUint64(0, 0n);
    for (let i = 0; i < count; i++)
      numbers.setUint8(count - 1 - i, this.bytes[start + (first < ONE_BYTE ? i : i + 1)]!);
    return numbers.getFloat64(0);
  }

  /** A number of things that take at least a byte each. */
  count(): number {
    const count = this.uint();
    if (count > this.left) throw new GobError('truncated', `${count} things in ${this.left} bytes`);
    return count;
  }

  /** Bytes with their number before them; a view. */
  block(): Uint8Array {
    const length = this.count();
    const start = this.at;
    this.at += length;
    return this.bytes.subarray(start, this.at);
  }

  private byte(): number {
    if (this.at >= this.bytes.length) throw new GobError('truncated', 'the message ends within a value');
    return this.bytes[this.at++]!;
  }
}
