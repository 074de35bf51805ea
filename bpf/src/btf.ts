import { text } from './elf.ts';
import { BuildError } from './errors.ts';

interface Member {
  readonly name: string;
  readonly type: number;
  /** Bits from the start of the structure. */
  readonly bitOffset: number;
  /** Width of a bit field, else 0. */
  readonly bits: number;
}

interface Named {
  readonly name: string;
}

/** The kinds of type that describe maps, records and variables; every other kind is `other`. */
export type BtfType =
  | (Named & { readonly kind: 'int'; readonly size: number; readonly signed: boolean })
  | (Named & { readonly kind: 'enum'; readonly size: number; readonly signed: boolean })
  | (Named & { readonly kind: 'pointer' | 'typedef' | 'qualifier' | 'variable'; readonly type: number })
  | (Named & { readonly kind: 'array'; readonly type: number; readonly length: number })
  | (Named & { readonly kind: 'struct' | 'union'; readonly size: number; readonly members: readonly Member[] })
  | (Named & {
      readonly kind: 'section';
      readonly variables: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
    })
  | (Named & { readonly kind: 'tag'; readonly type: number; readonly component: number })
  | (Named & { readonly kind: 'other' });

const MAGIC = 0xeb9f;

/** Reads a `.BTF` section: the types by id, id 0 being void. */
export function readBtf(section: Uint8Array): readonly BtfType[] {
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength);
  if (section.length < 24 || view.getUint16(0, true) !== MAGIC) {
    throw new BuildError('The object has no readable type information', {
      needed: 'a .BTF section',
      next: 'compile with -g',
    });
  }
  const headerSize = view.getUint32(4, true);
  const start = headerSize + view.getUint32(8, true);
  const end = start + view.getUint32(12, true);
  const strings = section.subarray(headerSize + view.getUint32(16, true));
  const types: BtfType[] = [{ kind: 'other', name: 'void' }];
  let at = start;
  const u32 = () => {
    const value = view.getUint32(at, true);
    at += 4;
    return value;
  };
  const list = <T>(length: number, read: () => T): T[] => Array.from({ length }, read);

  while (at < end) {
    const name = text(strings, u32());
    const info = u32();
    const sizeOrType = u32();
    const kind = (info >>> 24) & 0x1f;
    const length = info & 0xffff;
    const flag = info >>> 31 === 1;
    switch (kind) {
      case 1: {
        types.push({ kind: 'int', name, size: sizeOrType, signed: ((u32() >>> 24) & 1) === 1 });
        break;
      }
      case 2:
        types.push({ kind: 'pointer', name, type: sizeOrType });
        break;
      case 3: {
        const element = u32();
        u32(); // the index's type
        types.push({ kind: 'array', name, type: element, length: u32() });
        break;
      }
      case 4:
      case 5: {
        const members = list(length, () => {
          const member = { name: text(strings, u32()), type: u32(), offset: u32() };
          const bitOffset = flag ? member.offset & 0xffffff : member.offset;
          return { name: member.name, type: member.type, bitOffset, bits: flag ? member.offset >>> 24 : 0 };
        });
        types.push({ kind: kind === 4 ? 'struct' : 'union', name, size: sizeOrType, members });
        break;
      }
      case 6:
      case 19:
        at += length * (kind === 6 ? 8 : 12);
        types.push({ kind: 'enum', name, size: sizeOrType, signed: flag });
        break;
      case 8:
        types.push({ kind: 'typedef', name, type: sizeOrType });
        break;
      case 9:
      case 10:
      case 11:
      case 18:
        types.push({ kind: 'qualifier', name, type: sizeOrType });
        break;
      case 13:
        at += length * 8;
        types.push({ kind: 'other', name });
        break;
      case 14:
        u32(); // linkage
        types.push({ kind: 'variable', name, type: sizeOrType });
        break;
      case 15: {
        const variables = list(length, () => ({ type: u32(), offset: u32(), size: u32() }));
        types.push({ kind: 'section', name, variables });
        break;
      }
      case 17:
        types.push({ kind: 'tag', name, type: sizeOrType, component: u32() | 0 });
        break;
      case 7:
      case 12:
      case 16:
        types.push({ kind: 'other', name });
        break;
      default:
        throw new BuildError('The object has type information this tool does not know', {
          found: `BTF kind ${kind}`,
          needed: 'kinds up to 19',
          next: 'use a newer @retina/bpf, or an older clang',
        });
    }
  }
  return types;
}

/** `id` without qualifiers and typedefs, and the first typedef on the way that has Retina's prefix. */
export function resolve(
  types: readonly BtfType[],
  id: number,
): { readonly type: BtfType; readonly semantic: string | undefined } {
  let semantic: string | undefined;
  for (;;) {
    const type = types[id];
    if (!type) throw new BuildError('The object has broken type information', { found: `no type ${id}` });
    if (type.kind === 'typedef') semantic ??= type.name.startsWith('rt_') ? type.name : undefined;
    else if (type.kind !== 'qualifier') return { type, semantic };
    id = type.type;
  }
}
