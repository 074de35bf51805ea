import { z } from 'zod';

type Json = Readonly<Record<string, unknown>>;

/** The structural schema (`openAPIV3Schema`) of a zod schema: what clients may send. */
export function structural(schema: z.ZodType): Json {
  return tidy(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', unrepresentable: 'throw' }));
}

/** What Kubernetes forbids or what says nothing is left out; integers get the width they have. */
function tidy(node: Json): Json {
  const { $schema: _, properties, items, additionalProperties, ...rest } = node;
  const out: Record<string, unknown> = { ...rest };
  if (node.type === 'integer') {
    const wide = node.maximum === Number.MAX_SAFE_INTEGER || node.maximum === undefined;
    if (wide || node.maximum === 0x7fff_ffff) delete out.maximum;
    if (node.minimum === Number.MIN_SAFE_INTEGER || node.minimum === -0x8000_0000) delete out.minimum;
    out.format = wide ? 'int64' : 'int32';
  }
  if (node.format === 'date-time') delete out.pattern;
  if (items) out.items = tidy(items as Json);
  if (properties) {
    out.properties = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, tidy(value as Json)]));
  } else if (typeof additionalProperties === 'object' && additionalProperties !== null) {
    delete out.propertyNames;
    out.additionalProperties = tidy(additionalProperties as Json);
  }
  return inOrder(out);
}

const FIRST = ['description', 'type', 'format', 'default', 'enum'];
const LAST = ['properties', 'items', 'additionalProperties', 'required', 'x-kubernetes-validations'];

/** As people write them: what it is, what is inside, which rules it keeps. */
function inOrder(node: Json): Json {
  const rank = (key: string) => (FIRST.indexOf(key) + 1 || 50) + (LAST.includes(key) ? 50 + LAST.indexOf(key) : 0);
  return Object.fromEntries(Object.entries(node).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)));
}
