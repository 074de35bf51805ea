import type { Config } from '../config/schema.ts';
import type { PodMetricsConfig } from '../metrics/pod-options.ts';
import type { PodOverride } from './types.ts';

/** How pod-level families are labelled: what the configuration says, and the cluster in its place. */
export function podConfig(config: Config, override: PodOverride): PodMetricsConfig {
  const { metrics = config.metricsConfiguration, chosen = false } = override;
  const interest = config.kubernetes.bypass ? 'all' : chosen ? 'chosen' : undefined;
  return { context: config.podLevel, metrics, interest };
}
