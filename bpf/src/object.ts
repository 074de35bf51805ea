import type { Layout } from '@retina/sdk';
import { readBtf, resolve, type BtfType } from './btf.ts';
import { readSections, text } from './elf.ts';
import { BuildError } from './errors.ts';
import { recordLayout, sizeOf, tableLayout } from './layout.ts';

/** A constant declared with RT_CONFIG. */
export interface Constant {
  readonly name: string;
  readonly size: number;
  /** What it is unless the host sets it. */
  readonly value: bigint;
  /** Empty where the compiler could not keep it. */
  readonly doc: string;
}

/** What a BPF object says about itself to user space. */
export interface ObjectDescription {
  readonly streams: readonly Layout[];
  readonly tables: readonly Layout[];
  readonly constants: readonly Constant[];
}

const CONFIG_TAG = 'retina:config:';

/** Reads streams, tables and constants from a compiled object's type information. */
export function describeObject(file: Uint8Array): ObjectDescription {
  try {
    return describe(file);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new BuildError('The object file is damaged', { found: 'an offset beyond its end', next: 'compile it again' });
  }
}

function describe(file: Uint8Array): ObjectDescription {
  const sections = readSections(file);
  const types = readBtf(sections.get('.BTF') ?? new Uint8Array());
  const maps = variablesOf(types, '.maps');
  const streams = [...variablesOf(types, 'retina_records')].map(([variable, id]) => {
    const pointer = resolve(types, id).type;
    return recordLayout(types, variable.replace(/_record$/, ''), pointer.kind === 'pointer' ? pointer.type : id);
  });
  const tables = [...maps.keys()].flatMap((variable) => {
    const name = variable.replace(/_control$/, '');
    const half = maps.get(`${name}_0`);
    if (name === variable || half === undefined || !maps.has(`${name}_1`) || !maps.has(`${name}_lost`)) return [];
    return [tableLayout(types, name, mapMember(types, half, 'key'), mapMember(types, half, 'value'))];
  });
  return { streams, tables, constants: constantsOf(types, sections) };
}

/** Variables of a data section: name → id of their type. */
function variablesOf(types: readonly BtfType[], section: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const data = types.find((type) => type.kind === 'section' && type.name === section);
  if (data?.kind !== 'section') return found;
  for (const { type: id } of data.variables) {
    const variable = types[id];
    if (variable?.kind === 'variable') found.set(variable.name, variable.type);
  }
  return found;
}

/** What a map declaration's `key` or `value` member points to. */
function mapMember(types: readonly BtfType[], map: number, name: string): number {
  const { type } = resolve(types, map);
  const member = type.kind === 'struct' ? type.members.find((candidate) => candidate.name === name) : undefined;
  const pointer = member && resolve(types, member.type).type;
  return pointer?.kind === 'pointer' ? pointer.type : 0;
}

type Sections = ReadonlyMap<string, Uint8Array>;

function constantsOf(types: readonly BtfType[], sections: Sections): Constant[] {
  const rodata = sections.get('.rodata') ?? new Uint8Array();
  const docs = new Map<number, string>();
  for (const type of types) {
    if (type.kind === 'tag' && type.name.startsWith(CONFIG_TAG))
      docs.set(type.type, type.name.slice(CONFIG_TAG.length));
  }
  const data = types.find((type) => type.kind === 'section' && type.name === '.rodata');
  if (data?.kind !== 'section') return [];
  const offsets = symbolOffsets(sections);
  return data.variables.flatMap(({ type: id }) => {
    const variable = types[id];
    if (variable?.kind !== 'variable') return [];
    const { type } = resolve(types, variable.type);
    if (type.kind !== 'int' && type.kind !== 'enum') return [];
    const size = sizeOf(types, variable.type);
    const at = offsets.get(variable.name) ?? 0;
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(rodata[at + i] ?? 0);
    return [{ name: variable.name, size, value, doc: docs.get(id) ?? '' }];
  });
}

/** Offsets of symbols in their sections; type information of an object that is not linked has none. */
function symbolOffsets(sections: Sections): ReadonlyMap<string, number> {
  const symbols = sections.get('.symtab') ?? new Uint8Array();
  const names = sections.get('.strtab') ?? new Uint8Array();
  const view = new DataView(symbols.buffer, symbols.byteOffset, symbols.byteLength);
  const found = new Map<string, number>();
  for (let at = 0; at + 24 <= symbols.length; at += 24) {
    found.set(text(names, view.getUint32(at, true)), Number(view.getBigUint64(at + 8, true)));
  }
  return found;
}
