import { z } from 'zod';
import type { Exporter } from './exporter.ts';
import type { MetricSpecs } from './metrics.ts';
import type { Needs, Platform, Plugin, Stability } from './plugin.ts';

/** Prefix of every metric a plugin declares. */
export const METRIC_PREFIX = 'networkobservability_';

/**
 * What a plugin or exporter says of itself, as data: written to `dist/retina.json` when it is built, so that charts, reference
 * pages and `retina doctor` need not run it.
 */
export interface Manifest {
  readonly manifest: 1;
  readonly kind: 'plugin' | 'exporter';
  readonly name: string;
  /** Name and version of the npm package. */
  readonly package?: string;
  readonly version?: string;
  readonly api: number;
  readonly description: string;
  readonly stability: Stability;
  readonly platforms: readonly Platform[];
  readonly needs: Needs;
  /** JSON Schema (2020-12) of what may stand under its name in the configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** As declared, by the name without {@link METRIC_PREFIX}. */
  readonly metrics: MetricSpecs;
}

/** The manifest of a definition. `packageJson` names where it comes from. */
export function manifestOf(
  definition: Plugin | Exporter,
  packageJson: { readonly name?: string; readonly version?: string } = {},
): Manifest {
  const plugin = 'needs' in definition ? definition : undefined;
  const { name, version } = packageJson;
  return {
    manifest: 1,
    kind: plugin ? 'plugin' : 'exporter',
    name: definition.name,
    ...(name !== undefined && { package: name }),
    ...(version !== undefined && { version }),
    api: definition.api,
    description: definition.description,
    stability: definition.stability,
    platforms: plugin?.platforms ?? ['linux', 'win32'],
    needs: plugin?.needs ?? { capabilities: [] },
    config: z.toJSONSchema(definition.config.strict(), { io: 'input', unrepresentable: 'any' }),
    metrics: plugin?.metrics ?? {},
  };
}
