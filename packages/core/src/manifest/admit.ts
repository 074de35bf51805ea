import { RetinaError, type Manifest } from '@retina/sdk';
import type { LoaderApi } from '@retina/loader';
import { nativePart } from '../host/kernel.ts';
import { unmet } from '../host/needs.ts';
import { EndpointTable } from '../identity/table.ts';
import { MetricStore } from '../metrics/store.ts';

export interface AdmitOptions {
  /** What it would run beside. */
  readonly beside: readonly Manifest[];
  /** Whether this node must meet its needs: not where it will run on others. Default true. */
  readonly here?: boolean;
  /** Default `@retina/loader`; null for none. */
  readonly loader?: LoaderApi | null;
}

/**
 * Why a plugin or exporter could not run beside the others, each with a code of its own; empty if it could:
 * RETINA_PLUGIN_INVALID for a name that is taken, RETINA_METRIC_INVALID for a family that another one has, and the codes of
 * needs that this node does not meet.
 */
export async function admit(manifest: Manifest, options: AdmitOptions): Promise<readonly RetinaError[]> {
  const others = options.beside.filter((other) => other.package !== manifest.package || other.kind !== manifest.kind);
  const problems: RetinaError[] = [];
  const holder = others.find(({ kind, name }) => kind === manifest.kind && name === manifest.name);
  if (holder) {
    problems.push(
      new RetinaError('RETINA_PLUGIN_INVALID', `the name ${manifest.name} is taken`, {
        found: `${holder.package ?? holder.name} is a ${holder.kind} of that name`,
        needed: 'a name of its own',
        next: `remove ${holder.package ?? holder.name}, or ask the author of one of the two for another name`,
      }),
    );
  }
  problems.push(...collisions(manifest, others));
  if (options.here ?? true) {
    const { kernel, missing } = await nativePart(options.loader);
    problems.push(...unmet(manifest.name, manifest.needs, manifest.platforms, kernel));
    if (missing && manifest.needs.capabilities.includes('BPF')) problems.push(missing);
  }
  return problems;
}

/** What the store would say once both run: the same rule, asked beforehand. */
function collisions(manifest: Manifest, others: readonly Manifest[]): readonly RetinaError[] {
  const store = new MetricStore({ endpoints: new EndpointTable() });
  for (const { package: owner, name, metrics } of others) {
    try {
      store.open(owner ?? name, metrics);
    } catch {
      continue; // two that cannot run together, and neither is ours
    }
  }
  try {
    store.open(manifest.package ?? manifest.name, manifest.metrics);
    return [];
  } catch (error) {
    return [RetinaError.from(error, 'RETINA_METRIC_INVALID', `${manifest.name} declares metrics that cannot be`)];
  }
}
