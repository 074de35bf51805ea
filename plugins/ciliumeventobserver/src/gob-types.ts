import { GobError } from './gob-input.ts';

/** How a type's values are written. `opaque`: a type that encodes itself, its bytes with their number before them. */
export type GobType =
  | { readonly kind: 'bool' | 'int' | 'uint' | 'float' | 'bytes' | 'string' | 'complex' | 'interface' | 'opaque' }
  | { readonly kind: 'slice'; readonly element: number }
  | { readonly kind: 'array'; readonly element: number; readonly length: number }
  | { readonly kind: 'map'; readonly key: number; readonly element: number }
  | { readonly kind: 'struct'; readonly fields: readonly GobField[] };

interface GobField {
  readonly name: string;
  readonly type: number;
}

/** A value: structures by field name (zero fields are absent), maps by the text of the key, interfaces and complex numbers as undefined. */
export type GobValue =
  boolean | number | string | Uint8Array | undefined | readonly GobValue[] | ReadonlyMap<string, GobValue>;

const INT = 2;
const STRING = 6;
const COMMON = 18;
const OPAQUE = 24; // ours: { CommonType }

/** The type that describes types. */
export const WIRE_TYPE = 16;

const struct = (...fields: readonly (readonly [name: string, type: number])[]): GobType => ({
  kind: 'struct',
  fields: fields.map(([name, type]) => ({ name, type })),
});

/** Those both ends know without being told. */
const BUILT_IN: readonly (readonly [number, GobType])[] = [
  [1, { kind: 'bool' }],
  [INT, { kind: 'int' }],
  [3, { kind: 'uint' }],
  [4, { kind: 'float' }],
  [5, { kind: 'bytes' }],
  [STRING, { kind: 'string' }],
  [7, { kind: 'complex' }],
  [8, { kind: 'interface' }],
  [WIRE_TYPE, struct(['ArrayT', 17], ['SliceT', 19], ['StructT', 20], ['MapT', 23], ['GobEncoderT', OPAQUE], ['BinaryMarshalerT', OPAQUE], ['TextMarshalerT', OPAQUE])],
  [17, struct(['CommonType', COMMON], ['Elem', INT], ['Len', INT])],
  [COMMON, struct(['Name', STRING], ['Id', INT])],
  [19, struct(['CommonType', COMMON], ['Elem', INT])],
  [20, struct(['CommonType', COMMON], ['Field', 22])],
  [21, struct(['Name', STRING], ['Id', INT])],
  [22, { kind: 'slice', element: 21 }],
  [23, struct(['CommonType', COMMON], ['Key', INT], ['Elem', INT])],
  [OPAQUE, struct(['CommonType', COMMON])],
]; // prettier-ignore

/** Types beyond the built-in ones that one stream may define. Cilium's largest record defines about twenty. */
const MOST_TYPES = 512;
const MOST_FIELDS = 256;
const LONGEST_ARRAY = 65_536;

/** The types of one stream: the built-in ones, and those it has defined. */
export class GobTypes {
  private readonly types = new Map<number, GobType>(BUILT_IN);

  get(id: number): GobType {
    const type = this.types.get(id);
    if (!type) throw new GobError('unknown_type', `a value of type ${id}, which nobody has defined`);
    return type;
  }

  /** `definition`: a value of {@link WIRE_TYPE}. */
  define(id: number, definition: GobValue): void {
    if (this.types.has(id)) throw new GobError('malformed', `type ${id} is defined twice`);
    if (this.types.size >= BUILT_IN.length + MOST_TYPES)
      throw new GobError('too_many', `more than ${MOST_TYPES} types`);
    this.types.set(id, typeOf(definition));
  }
}

function typeOf(definition: GobValue): GobType {
  for (const [which, body] of fieldsOf(definition)) {
    const of = fieldsOf(body);
    const element = number(of, 'Elem');
    switch (which) {
      case 'ArrayT': {
        const length = number(of, 'Len');
        if (length < 0 || length > LONGEST_ARRAY) throw new GobError('too_many', `an array of ${length}`);
        return { kind: 'array', element, length };
      }
      case 'SliceT':
        return { kind: 'slice', element };
      case 'MapT':
        return { kind: 'map', key: number(of, 'Key'), element };
      case 'StructT':
        return { kind: 'struct', fields: structFields(of.get('Field')) };
      default:
        return { kind: 'opaque' };
    }
  }
  throw new GobError('malformed', 'a definition that defines nothing');
}

function structFields(list: GobValue): GobField[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new GobError('malformed', 'fields that are no list');
  if (list.length > MOST_FIELDS) throw new GobError('too_many', `a structure of ${list.length} fields`);
  return list.map((field: GobValue) => {
    const of = fieldsOf(field);
    const name = of.get('Name');
    return { name: typeof name === 'string' ? name : '', type: number(of, 'Id') };
  });
}

/** The fields of a structure; none where the value is something else. */
export function fieldsOf(value: GobValue): ReadonlyMap<string, GobValue> {
  return value instanceof Map ? (value as ReadonlyMap<string, GobValue>) : NONE;
}

const NONE: ReadonlyMap<string, GobValue> = new Map();

function number(of: ReadonlyMap<string, GobValue>, name: string): number {
  const value = of.get(name);
  return typeof value === 'number' ? value : 0;
}
