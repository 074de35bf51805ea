import type { Config } from '../config/schema.ts';
import type { FlowPipeline } from '../flows/pipeline.ts';
import type { PodMetricsConfig } from '../metrics/pod-options.ts';
import type { MetricStore } from '../metrics/store.ts';
import type { PodOverride } from './types.ts';

/** How pod-level families are labelled: what the configuration says, and the cluster in its place. */
export function podConfig(config: Config, override: PodOverride): PodMetricsConfig {
  const { metrics = config.metricsConfiguration, chosen = choosesPods(config) } = override;
  const interest = config.kubernetes.bypass ? 'all' : chosen ? 'chosen' : undefined;
  return { context: config.podLevel, metrics, interest };
}

/** Puts in force what is reported of pods: how, and of which. */
export function configurePods(
  { metrics, flows }: { readonly metrics: MetricStore; readonly flows: FlowPipeline },
  config: Config,
  override: PodOverride,
): void {
  const pods = podConfig(config, override);
  metrics.configurePods(pods);
  // Without pod-level metrics there is no choice, as in the original.
  flows.selection.on = pods.context !== 'off' && pods.interest === 'chosen';
}

/** Whether annotations or selectors choose pods: from the first record on, before anything is read from the cluster. */
function choosesPods({ kubernetes }: Config): boolean {
  const { enabled, annotations, podSelector, namespaceSelector } = kubernetes;
  return enabled && (annotations || podSelector !== undefined || namespaceSelector !== undefined);
}
