import { metricsConfiguration, type MetricsConfiguration, metricsConfigurationOf } from '@retina/core';
import type { MetricsConfiguration as Resource } from '@retina/kube';
import { RetinaError } from '@retina/sdk';

/** What is kept of a MetricsConfiguration. */
export interface ConfigurationFacts {
  readonly name: string;
  readonly created: string;
  readonly spec: unknown;
  /** The last specification of it that was good, as the operator has written it down. */
  readonly lastKnown?: unknown;
}

export function trimConfiguration({ metadata, spec, status }: Resource): ConfigurationFacts | undefined {
  if (metadata.deletionTimestamp) return undefined;
  const lastKnown = status?.lastKnownSpec;
  return {
    name: metadata.name ?? '',
    created: metadata.creationTimestamp ?? '',
    spec,
    ...(lastKnown !== undefined && { lastKnown }),
  };
}

/** The one in force: the oldest, by name where two are equally old; the operator says the same in their status. */
export function inForce(all: Iterable<ConfigurationFacts>): ConfigurationFacts | undefined {
  return [...all].sort((a, b) => compare(a.created, b.created) || compare(a.name, b.name))[0];
}

/**
 * A spec as the agent's own configuration. Labels in any case; additional labels that mean nothing are left out, as the
 * operator says in the object's status. Throws RETINA_CONFIG_INVALID with every mistake.
 */
export function readSpec({ name, spec }: ConfigurationFacts): MetricsConfiguration {
  const { data, error } = metricsConfiguration.safeParse(normal(spec));
  const problems = (error?.issues ?? []).map(({ path, message }) => `spec.${path.join('.')}: ${message}`);
  const names = (data?.contextOptions ?? []).map(({ metricName }) => metricName.toLowerCase());
  for (const twice of new Set(names.filter((one, i) => names.indexOf(one) !== i))) {
    problems.push(`spec.contextOptions: ${twice} is there twice; keep one`);
  }
  if (data && problems.length === 0) return metricsConfigurationOf(data);
  throw new RetinaError('RETINA_CONFIG_INVALID', `the MetricsConfiguration ${name} has mistakes and is not in force`, {
    found: problems.slice(0, 10).join(' | ').slice(0, 2000),
    next: `kubectl edit metricsconfiguration ${name}; what was in force before stays until then`,
  });
}

/** What the operator says was good of it before; undefined where there is nothing, or nothing that is good. */
export function readLastKnown(facts: ConfigurationFacts): MetricsConfiguration | undefined {
  if (facts.lastKnown === undefined) return undefined;
  try {
    return readSpec({ ...facts, spec: facts.lastKnown });
  } catch {
    return undefined;
  }
}

/** What the API server lets pass and the original reads as if it were not there. */
function normal(spec: unknown): unknown {
  const { contextOptions, namespaces } = (spec ?? {}) as Record<string, unknown>;
  const { include, exclude } = (namespaces ?? {}) as Record<string, unknown>;
  const some = (list: unknown) => (Array.isArray(list) && list.length === 0 ? undefined : (list ?? undefined));
  return {
    contextOptions: !Array.isArray(contextOptions)
      ? (contextOptions ?? [])
      : contextOptions.map((one: unknown) => {
          if (typeof one !== 'object' || one === null) return one;
          const { additionalLabels, ttl, sourceLabels, destinationLabels, ...rest } = one as Record<string, unknown>;
          const additional = (Array.isArray(additionalLabels) ? additionalLabels : []).map(lower);
          return {
            ...rest,
            sourceLabels: sourceLabels ?? [],
            destinationLabels: destinationLabels ?? [],
            additionalLabels: additional.filter((label) => label === 'is_reply'),
            ...(ttl !== undefined && ttl !== null && ttl !== '' && { ttl }),
          };
        }),
    namespaces: { include: some(include), exclude: some(exclude) },
  };
}

function lower(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
