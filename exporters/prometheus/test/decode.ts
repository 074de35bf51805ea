/** What snappy's block format holds. */
export function unsnap(bytes: Buffer): Buffer {
  let at = 0;
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  const out = Buffer.alloc(size);
  let to = 0;
  while (at < bytes.length) {
    const tag = bytes[at++]!;
    if ((tag & 3) === 0) {
      let length = tag >> 2;
      if (length >= 60) {
        const extra = length - 59;
        length = bytes.readUIntLE(at, extra);
        at += extra;
      }
      bytes.copy(out, to, at, at + length + 1);
      at += length + 1;
      to += length + 1;
    } else {
      if ((tag & 3) !== 2) throw new Error(`no such tag is written: ${tag}`);
      const offset = bytes.readUInt16LE(at);
      at += 2;
      for (let n = (tag >> 2) + 1; n > 0; n--, to++) out[to] = out[to - offset]!;
    }
  }
  if (to !== size) throw new Error(`${to} bytes instead of ${size}`);
  return out;
}

type Field = readonly [number: number, value: number | Buffer];

/** Fields of a protocol buffer, one level of it. */
export function fields(bytes: Buffer): Field[] {
  const out: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (tag % 8 === 0) out.push([number, varint()]);
    else if (tag % 8 === 1) {
      out.push([number, bytes.readDoubleLE(at)]);
      at += 8;
    } else {
      const length = varint();
      out.push([number, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return out;
}

/** Numbers of a packed field. */
export function packed(bytes: Buffer): number[] {
  const tagged = [...bytes].reduce<number[][]>((all, byte) => {
    const open = all.at(-1);
    if (open && open.at(-1)! >= 128) open.push(byte);
    else all.push([byte]);
    return all;
  }, []);
  return tagged.map((group) => group.reduce((sum, byte, i) => sum + (byte & 127) * 128 ** i, 0));
}
