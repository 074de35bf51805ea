import { RetinaError, type ConfigSchema } from '@retina/sdk';
import { formatProblem, type ConfigProblem } from './problem.ts';
import type { ComponentConfig } from './schema.ts';
import { keysAt, schemaAt } from './schema-walk.ts';
import { ConfigText, type Path } from './source.ts';
import { validate } from './validate.ts';

/** Options as a component gets them: validated by its own schema, unknown keys refused. Mistakes go to `problems`. */
export function checkOptions(
  schema: ConfigSchema,
  config: ComponentConfig,
  text: ConfigText,
  base: Path,
  problems: ConfigProblem[],
): Readonly<Record<string, unknown>> | undefined {
  return validate(schema.strict(), { ...inheritedBy(schema, config), ...config.options }, text, base, problems);
}

/** As {@link checkOptions} without a file at hand; throws RETINA_CONFIG_INVALID. */
export function parseOptions(
  name: string,
  schema: ConfigSchema,
  config: ComponentConfig,
): Readonly<Record<string, unknown>> {
  const problems: ConfigProblem[] = [];
  const options = checkOptions(schema, config, new ConfigText(''), [], problems);
  if (options) return options;
  const lines = problems.map((problem) => formatProblem(problem).trim());
  throw new RetinaError('RETINA_CONFIG_INVALID', `the options of ${name} have mistakes`, {
    found: lines.join(' | '),
    next: 'correct them; retina config check FILE shows each with its line',
    detail: lines.join('\n'),
  });
}

/** Which of the flat keys a component takes: those it declares, in the form (duration as text or as milliseconds) it accepts. */
function inheritedBy(schema: ConfigSchema, config: ComponentConfig): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const declared = keysAt(schema, []);
  for (const [key, value] of Object.entries(config.inherited)) {
    if (!declared.includes(key)) continue;
    const at = schemaAt(schema, [key])!;
    const asText = typeof value === 'number' ? `${value}ms` : value;
    out[key] = !at.safeParse(value).success && at.safeParse(asText).success ? asText : value;
  }
  return out;
}
