import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ConfigProblem } from './problem.ts';
import type { KubernetesConfig, RawConfig } from './schema.ts';
import type { ConfigText } from './source.ts';

const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Whether this process runs in a pod that may talk to its cluster. */
function inCluster(): boolean {
  return Boolean(process.env['KUBERNETES_SERVICE_HOST']) && existsSync(TOKEN);
}

/** What the cluster is asked for, from our keys and the original's. */
export function kubernetesConfig(raw: RawConfig, directory: string): KubernetesConfig {
  const { enabled, kubeconfig, context, source, podSelector, namespaceSelector } = raw.kubernetes;
  return {
    enabled: enabled === 'auto' ? kubeconfig !== undefined || inCluster() : enabled,
    kubeconfig: kubeconfig === undefined ? undefined : path.resolve(directory, kubeconfig),
    context,
    source: source ?? (raw.enableRetinaEndpoint ? 'endpoints' : 'pods'),
    annotations: raw.enableAnnotations ?? false,
    bypass: raw.bypassLookupIPOfInterest ?? false,
    podSelector,
    namespaceSelector,
  };
}

/** What of it has no effect, alone or together with something else. */
export function kubernetesNotes(raw: RawConfig, text: ConfigText): ConfigProblem[] {
  const out: ConfigProblem[] = [];
  const warn = (at: readonly (string | number)[], message: string) => out.push({ ...text.where(at, true), message });
  const { enabled, annotations, bypass } = kubernetesConfig(raw, '.');
  const { include, exclude } = raw.metricsConfiguration?.namespaces ?? {};
  const selectors = (['podSelector', 'namespaceSelector'] as const).filter((key) => raw.kubernetes[key]);
  if (!enabled) {
    const why = 'accepted, but has no effect without a cluster: identities come from this host and from identity.file';
    if (annotations) warn(['enableAnnotations'], why);
    if (raw.enableRetinaEndpoint) warn(['enableRetinaEndpoint'], why);
    for (const key of selectors) warn(['kubernetes', key], why);
    return out;
  }
  if (!raw.enablePodLevel) {
    const why = 'has no effect without enablePodLevel: true';
    if (annotations) warn(['enableAnnotations'], why);
    for (const key of selectors) warn(['kubernetes', key], why);
  }
  if (bypass && (annotations || selectors.length > 0 || include || exclude)) {
    warn(
      ['bypassLookupIPOfInterest'],
      'every endpoint is reported, whatever annotations, selectors and namespaces choose; remove it to report what they choose',
    );
  }
  if (raw.kubernetes.source === 'endpoints' && !raw.remoteContext) {
    warn(
      ['kubernetes', 'source'],
      'has no effect in local context (remoteContext: false): only pods of this node are read',
    );
  }
  return out;
}
