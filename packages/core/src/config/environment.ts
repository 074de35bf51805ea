import { parse } from 'yaml';
import { nearest } from './nearest.ts';
import type { ConfigProblem } from './problem.ts';
import { configSchema } from './schema.ts';
import { leaves, type Leaf } from './schema-walk.ts';
import type { ConfigText } from './source.ts';

const PREFIX = 'RETINA_';

/** Environment variable of a setting: `apiServer.port` is RETINA_APISERVER_PORT. */
function variableOf(path: readonly string[]): string {
  return PREFIX + path.join('_').toUpperCase();
}

/**
 * Settings given as `RETINA_` variables win over the file. A value is read as YAML (`true`, `10093`, `[a, b]`); a list may
 * also be separated by commas or spaces. A variable that is nearly a setting's is a warning, any other is none of ours.
 */
export function applyEnvironment(
  text: ConfigText,
  environment: Readonly<Record<string, string | undefined>>,
): ConfigProblem[] {
  const known = new Map<string, Leaf>(leaves(configSchema).map((leaf) => [variableOf(leaf.path), leaf]));
  const warnings: ConfigProblem[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === undefined) continue;
    const leaf = known.get(name);
    if (leaf) {
      text.override(leaf.path, readValue(value, leaf.list), name);
      continue;
    }
    const near = nearest(
      name.slice(PREFIX.length),
      [...known.keys()].map((key) => key.slice(PREFIX.length)),
    );
    if (near) warnings.push({ path: name, message: 'is no setting and has no effect', nearest: PREFIX + near });
  }
  return warnings;
}

function readValue(value: string, list: boolean): unknown {
  if (list && !value.trimStart().startsWith('[')) return value.split(/[\s,]+/).filter(Boolean);
  try {
    return parse(value) as unknown;
  } catch {
    return value;
  }
}
