import { BuildError } from './errors.ts';

/** Machine number of BPF objects. */
const EM_BPF = 247;

/** The sections of a 64-bit little-endian ELF file for BPF, by name. A section without bytes in the file is empty. */
export function readSections(file: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const bad = (found: string) =>
    new BuildError('This is no BPF object file', {
      found,
      needed: 'a 64-bit little-endian ELF file for the BPF machine',
    });
  if (file.length < 64 || view.getUint32(0) !== 0x7f454c46) throw bad('no ELF header');
  if (file[4] !== 2 || file[5] !== 1) throw bad('another word size or byte order');
  if (view.getUint16(18, true) !== EM_BPF) throw bad(`machine ${view.getUint16(18, true)}`);

  const table = Number(view.getBigUint64(40, true));
  const entrySize = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  const header = (i: number) => {
    const at = table + i * entrySize;
    if (at + entrySize > file.length || entrySize < 64) throw bad('a section table beyond the end of the file');
    const type = view.getUint32(at + 4, true);
    const offset = Number(view.getBigUint64(at + 24, true));
    const size = Number(view.getBigUint64(at + 32, true));
    const nobits = type === 8;
    if (!nobits && offset + size > file.length) throw bad('a section beyond the end of the file');
    return { name: view.getUint32(at, true), bytes: nobits ? new Uint8Array() : file.subarray(offset, offset + size) };
  };
  if (count === 0) return new Map();
  const names = header(view.getUint16(62, true)).bytes;
  const sections = new Map<string, Uint8Array>();
  for (let i = 1; i < count; i++) {
    const section = header(i);
    sections.set(text(names, section.name), section.bytes);
  }
  return sections;
}

/** The zero-terminated string that starts at `at`. */
export function text(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return new TextDecoder().decode(bytes.subarray(at, end < 0 ? bytes.length : end));
}
