const BLOCK = 65_536;
const TABLE_BITS = 14;

const table = new Uint16Array(1 << TABLE_BITS);
let scratch: Buffer = Buffer.alloc(0);

/** Compresses in snappy's block format: quick, and about a third of the size for what has many repeated texts. */
export function snappy(input: Buffer): Buffer {
  const most = 32 + input.length + Math.ceil(input.length / 6);
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most);
  const out = scratch;
  let at = 0;
  for (let left = input.length; ; left = Math.floor(left / 128)) {
    out[at++] = left > 127 ? (left % 128) | 128 : left;
    if (left <= 127) break;
  }
  for (let start = 0; start < input.length; start += BLOCK) {
    table.fill(0);
    at = block(input.subarray(start, start + BLOCK), out, at);
  }
  return Buffer.from(out.subarray(0, at));
}

/** One block: positions in it fit 16 bits. Returns where `out` goes on. */
function block(input: Buffer, out: Buffer, start: number): number {
  let at = start;
  let literal = 0; // from where on nothing was written
  let position = 1;
  const limit = input.length - 15;
  while (position < limit) {
    const word = input.readUInt32LE(position);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - TABLE_BITS);
    const candidate = table[slot]!;
    table[slot] = position;
    if (candidate >= position || input.readUInt32LE(candidate) !== word) {
      position += 1 + ((position - literal) >> 5); // faster where nothing repeats
      continue;
    }
    at = writeLiteral(input, literal, position, out, at);
    let length = 4;
    while (position + length < input.length && input[candidate + length] === input[position + length]) length++;
    at = writeCopy(position - candidate, length, out, at);
    position += length;
    literal = position;
  }
  return writeLiteral(input, literal, input.length, out, at);
}

function writeLiteral(input: Buffer, from: number, to: number, out: Buffer, start: number): number {
  if (from === to) return start;
  let at = start;
  const length = to - from - 1;
  if (length < 60) out[at++] = length << 2;
  else if (length < 256) {
    out[at++] = 60 << 2;
    out[at++] = length;
  } else {
    out[at++] = 61 << 2;
    at = out.writeUInt16LE(length, at);
  }
  input.copy(out, at, from, to);
  return at + to - from;
}

function writeCopy(offset: number, length: number, out: Buffer, start: number): number {
  let at = start;
  for (let left = length; left > 0;) {
    const n = Math.min(left, 64);
    out[at++] = ((n - 1) << 2) | 2;
    at = out.writeUInt16LE(offset, at);
    left -= n;
  }
  return at;
}
