import { type KubeClient, RETINA_ENDPOINTS } from '@retina/kube';
import type { Logger } from '@retina/sdk';
import type { OperatorMetrics } from '../metrics.ts';
import { TokenBucket } from './work-queue.ts';

export interface RemoveOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  readonly writesPerSecond: number;
}

/** Removes every RetinaEndpoint: without remote context nobody reads them, and they would grow old. */
export async function removeEndpoints(options: RemoveOptions, signal: AbortSignal): Promise<number> {
  const { client, log, metrics, writesPerSecond } = options;
  const bucket = new TokenBucket(writesPerSecond, writesPerSecond);
  let removed = 0;
  for await (const { metadata } of client.list(RETINA_ENDPOINTS, { signal })) {
    await bucket.take(signal);
    const at = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
    if (await client.delete(RETINA_ENDPOINTS, at, { signal })) removed++;
    metrics.writes.add(1, 'delete');
  }
  if (removed > 0) log.info('removed RetinaEndpoints that nobody reads: remote context is off', { removed });
  return removed;
}
