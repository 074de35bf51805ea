import { setTimeout as sleep } from 'node:timers/promises';
import { CUSTOM_RESOURCE_DEFINITIONS, type CustomResourceDefinition, type KubeClient, KubeError, retinaCrds } from '@retina/kube'; // prettier-ignore
import type { Logger } from '@retina/sdk';
import type { OperatorMetrics } from './metrics.ts';

const POLL_MS = 250;
const LONGEST_MS = 10_000;

export interface CrdOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  /** False: somebody else, such as Helm, brings them; they are waited for. */
  readonly install: boolean;
  readonly signal: AbortSignal;
  /** Names that are not served yet, whenever that changes. */
  readonly onWait: (missing: readonly string[], why: string) => void;
}

/**
 * Makes the definitions what this version needs, by server-side apply, so that an upgrade changes those that exist; then
 * waits until all are served. Goes on trying: rights may be granted, or definitions brought, at any time.
 */
export async function ensureCrds(options: CrdOptions): Promise<void> {
  const { client, log, metrics, install, signal } = options;
  const definitions = retinaCrds();
  let why = 'nobody has installed them yet; set installCRDs, or install them with Helm';
  for (let pause = POLL_MS; ; pause = Math.min(pause * 2, LONGEST_MS)) {
    signal.throwIfAborted();
    const missing: string[] = [];
    for (const definition of definitions) {
      const name = definition.metadata.name ?? '';
      try {
        if (install) await applyOne(client, log, definition, signal);
      } catch (error) {
        signal.throwIfAborted();
        why = told(error, name);
        log.warn('cannot install a custom resource definition', { name, error: why });
      }
      const now = await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name }, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        why = told(error, name);
        return undefined;
      });
      if (!established(now)) missing.push(name);
    }
    metrics.crds.set(definitions.length - missing.length);
    if (missing.length === 0) return;
    options.onWait(missing, why);
    await sleep(pause, undefined, { signal });
  }
}

async function applyOne(
  client: KubeClient,
  log: Logger,
  definition: CustomResourceDefinition,
  signal: AbortSignal,
): Promise<void> {
  const before = await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name: definition.metadata.name ?? '' }, { signal });
  const after = await client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition, {
    fieldManager: 'retina-operator',
    signal,
  });
  const name = definition.metadata.name;
  if (!before) log.info('installed a custom resource definition', { name });
  else if (before.metadata.generation !== after.metadata.generation) {
    log.info('upgraded a custom resource definition', { name });
  }
}

function established(definition: CustomResourceDefinition | undefined): boolean {
  return (
    definition?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false
  );
}

function told(error: unknown, name: string): string {
  if (error instanceof KubeError && error.status === 403) {
    return `${error.message}; next: allow the operator to get, create and patch ${name}, or set installCRDs: false and install them with Helm`;
  }
  return error instanceof Error ? error.message : String(error);
}
