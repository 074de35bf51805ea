import { isDeepStrictEqual } from 'node:util';
import { type ConfigSchema } from '@retina/sdk';
import { z } from 'zod';

/** What is wrong with an options schema, given options that must be accepted; empty if nothing is. */
export function lintOptions(schema: ConfigSchema, accepted: Readonly<Record<string, unknown>> = {}): string[] {
  const problems: string[] = [];
  const first = schema.safeParse(accepted);
  if (!first.success) return [`config: refuses ${JSON.stringify(accepted)}: ${first.error.issues[0]?.message}`];
  const again = schema.safeParse(structuredClone(first.data));
  if (!again.success || !isDeepStrictEqual(again.data, first.data)) {
    problems.push('config: its own output is not accepted unchanged, so a reload would not be idempotent');
  }
  // The host refuses unknown keys of any schema that does not say itself what to do with them.
  const loose = schema._zod.def.catchall !== undefined && schema.safeParse({ ...accepted, noSuchKey: 1 }).success;
  if (loose) problems.push('config: takes unknown keys; use z.object or z.strictObject, without catchall');
  let json: { properties?: Record<string, { description?: string }> };
  try {
    json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'throw' }) as typeof json;
  } catch (error) {
    return [...problems, `config: has no JSON Schema (${error instanceof Error ? error.message : String(error)})`];
  }
  for (const [key, property] of Object.entries(json.properties ?? {})) {
    if (!property.description) problems.push(`config: ${key} has no description; the reference is generated from it`);
  }
  return problems;
}
