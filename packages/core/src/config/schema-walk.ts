import type { z } from 'zod';

// Read structurally: a plugin may bring its own copy of zod.
type Def = {
  type: string;
  innerType?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
  element?: z.ZodType;
  valueType?: z.ZodType;
};
const def = (schema: z.ZodType): Def => schema._zod.def;

const shapeOf = (schema: z.ZodType) => (schema as unknown as { shape: Record<PropertyKey, z.ZodType> }).shape;

/** The schema behind optional, default, nullable, transform and the like. */
function unwrap(schema: z.ZodType): z.ZodType {
  const d = def(schema);
  if (d.innerType) return unwrap(d.innerType);
  if (d.type === 'pipe') return unwrap(def(d.in!).type === 'transform' ? d.out! : d.in!);
  return schema;
}

/** The schema of the value at `path`; undefined where the schema does not say. */
export function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  const inner = unwrap(schema);
  if (path.length === 0) return inner;
  const [step, ...rest] = path;
  const d = def(inner);
  const next = d.type === 'object' ? shapeOf(inner)[step!] : (d.element ?? d.valueType);
  return next && schemaAt(next, rest);
}

/** Keys an object schema declares at `path`; empty if it is no object. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const at = schemaAt(schema, path);
  return at && def(at).type === 'object' ? Object.keys(shapeOf(at)) : [];
}

/** A setting that is one value or a list of texts, by its path from the top. */
export interface Leaf {
  readonly path: readonly string[];
  readonly list: boolean;
}

/** Every setting under `schema` that a single text can give. Open records (plugins, exporters) have none. */
export function leaves(schema: z.ZodType, path: readonly string[] = []): Leaf[] {
  const inner = unwrap(schema);
  if (def(inner).type === 'object') {
    return Object.entries(shapeOf(inner)).flatMap(([key, value]) => leaves(value, [...path, key]));
  }
  const type = def(inner).type;
  if (type === 'record') return [];
  if (type === 'array') return def(unwrap(def(inner).element!)).type === 'string' ? [{ path, list: true }] : [];
  return [{ path, list: false }];
}
