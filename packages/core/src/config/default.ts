import { loadConfig, type LoadedConfig } from './load.ts';

/** What runs on one host without a configuration file: every collector that needs no cluster and no special hardware, pod-level metrics on both sides. */
export const DEFAULT_CONFIG_TEXT = `# Retina's configuration for one host without a cluster.
plugins:
  packetparser: {}
  packetforward: {}
  dropreason: { required: false } # what a kernel refuses of these costs only that; the rest is worth having
  dns: { required: false }
  tcphealth: { required: false }
  tcpretrans: { required: false }
  conntrack: { required: false }
  linuxutil: { required: false }
exporters:
  prometheus: {} # 0.0.0.0:10093
enablePodLevel: true
remoteContext: true
enableConntrackMetrics: true
`;

/** The embedded default configuration, with overrides from the environment. */
export function defaultConfig(environment?: Readonly<Record<string, string | undefined>>): LoadedConfig {
  return loadConfig({ text: DEFAULT_CONFIG_TEXT, ...(environment && { environment }) });
}
