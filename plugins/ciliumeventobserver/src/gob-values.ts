import { GobError, type GobInput } from './gob-input.ts';
import { type GobType, type GobTypes, type GobValue } from './gob-types.ts';

const DEEPEST = 24;
/** Lists, maps, structures and their elements per message: each costs memory however few bytes it took. */
const MOST_VALUES = 16_384;
const text = new TextDecoder();

/** The value of a message's outermost type. */
export function readTop(input: GobInput, types: GobTypes, id: number): GobValue {
  const type = types.get(id);
  // what is no structure stands as if it were the one field of one
  if (type.kind !== 'struct' && input.uint() !== 0) throw new GobError('malformed', 'a lone value without its mark');
  return read(input, types, type, 0);
}

function read(input: GobInput, types: GobTypes, type: GobType, depth: number): GobValue {
  switch (type.kind) {
    case 'bool':
      return input.uint() !== 0;
    case 'int':
      return input.int();
    case 'uint':
      return input.uint();
    case 'float':
      return input.float();
    case 'complex':
      input.uint();
      input.uint();
      return undefined;
    case 'string':
      return text.decode(input.block());
    case 'bytes':
    case 'opaque':
      return input.block();
    case 'interface':
      return skipInterface(input);
    default:
      return readMany(input, types, type, depth + 1);
  }
}

type Composite = Extract<GobType, { readonly kind: 'struct' | 'map' | 'slice' | 'array' }>;

function readMany(input: GobInput, types: GobTypes, type: Composite, depth: number): GobValue {
  if (depth > DEEPEST) throw new GobError('too_deep', `values nested more than ${DEEPEST} deep`);
  if (++input.values > MOST_VALUES) throw new GobError('too_many', `more than ${MOST_VALUES} values in a message`);
  if (type.kind === 'struct') return readStruct(input, types, type.fields, depth);
  const count = counted(input);
  const element = types.get(type.element);
  if (type.kind === 'map') {
    const key = types.get(type.key);
    const map = new Map<string, GobValue>();
    for (let i = 0; i < count; i++)
      map.set(keyText(read(input, types, key, depth)), read(input, types, element, depth));
    return map;
  }
  if (type.kind === 'array' && count !== type.length) throw new GobError('malformed', 'an array of the wrong length');
  const list: GobValue[] = [];
  for (let i = 0; i < count; i++) list.push(read(input, types, element, depth));
  return list;
}

/** Keys that are no text or number have none. */
function keyText(key: GobValue): string {
  return typeof key === 'string' ? key : typeof key === 'number' || typeof key === 'boolean' ? String(key) : '';
}

function readStruct(
  input: GobInput,
  types: GobTypes,
  fields: readonly { readonly name: string; readonly type: number }[],
  depth: number,
): ReadonlyMap<string, GobValue> {
  const found = new Map<string, GobValue>();
  let at = -1;
  for (let delta = input.uint(); delta !== 0; delta = input.uint()) {
    const field = fields[(at += delta)];
    if (!field) throw new GobError('malformed', `field ${at} of a structure of ${fields.length}`);
    found.set(field.name, read(input, types, types.get(field.type), depth));
  }
  return found;
}

function counted(input: GobInput): number {
  const count = input.count();
  input.values += count;
  if (input.values > MOST_VALUES) throw new GobError('too_many', `more than ${MOST_VALUES} values in a message`);
  return count;
}

/** A value of some type that is named with it. Nobody here needs one, so it is stepped over. */
function skipInterface(input: GobInput): undefined {
  if (input.block().length === 0) return undefined; // nil
  if (input.int() < 0) throw new GobError('malformed', 'a definition within an interface');
  input.block();
  return undefined;
}
