import type { RetinaError } from '@retina/sdk';
import { type Exporter, type MetricSpec, type Plugin } from '@retina/sdk';
import { instanceOf } from '../export/instance.ts';
import { BUILT_IN, knownNames, resolve, searchPath, type Kind } from '../host/resolve.ts';
import { byPlace, parseConfig, type ConfigSource, type LoadedConfig } from './load.ts';
import { nearest } from './nearest.ts';
import { checkOptions } from './options.ts';
import { ConfigError, show, type ConfigProblem } from './problem.ts';
import type { ConfigText } from './source.ts';

/** Metric names the original's MetricsConfiguration takes. Those no enabled plugin produces are accepted with a warning. */
const ORIGINAL_OPTIONS = [
  'forward_count', 'forward_bytes', 'drop_count', 'drop_bytes', 'tcp_flag_gauges', 'tcp_retransmission_count', 'dns_request_count',
  'dns_response_count', 'node_apiserver_latency', 'node_apiserver_no_response', 'node_apiserver_tcp_handshake_latency',
  'tcp_state', 'tcp_connection_stats', 'tcp_connection_remote', 'ip_connection_stats', 'udp_connection_stats', 'interface_stats',
]; // prettier-ignore

export interface CheckOptions {
  /** Plugins and exporters that are already imported, by the name the configuration uses. */
  readonly components?: Readonly<Record<string, Plugin | Exporter>>;
  /** Folder or file URL to resolve packages from, after the configuration's folder. */
  readonly from?: string;
}

/**
 * Reads a configuration and checks all of it, options of plugins and exporters included, which it imports for that.
 * Throws a ConfigError (RETINA_CONFIG_INVALID) with every mistake. Needs no privileges.
 */
export async function checkConfig(source: ConfigSource, options: CheckOptions = {}): Promise<LoadedConfig> {
  const { config, text, problems: found, warnings: noted } = parseConfig(source);
  const problems = [...found];
  const warnings = [...noted];
  const from = searchPath(config.directory, options.from);
  const names = new Map<string, string>();
  const produced = new Set<string>();
  for (const kind of ['plugin', 'exporter'] as const) {
    for (const [name, component] of Object.entries(kind === 'plugin' ? config.plugins : config.exporters)) {
      const base = [`${kind}s`, name];
      let definition: Plugin | Exporter;
      try {
        definition = await resolve(kind, name, { ...options, from });
      } catch (error) {
        const near = nearest(
          name,
          knownNames(kind, { ...options, from }).filter((one) => one !== name),
        );
        const where = { kind, name, text, inCluster: config.kubernetes.enabled };
        report(where, error as RetinaError, near, problems, warnings);
        continue;
      }
      const suffix = kind === 'exporter' ? instanceOf(name).suffix : '';
      const other = names.get(`${kind} ${definition.name}${suffix}`);
      if (other)
        problems.push({
          ...text.where(base, true),
          message: `is the same ${kind} as ${other}`,
          found: definition.name,
        });
      names.set(`${kind} ${definition.name}${suffix}`, name);
      checkOptions(definition.config, component, text, base, problems);
      for (const spec of Object.values<MetricSpec>('metrics' in definition ? definition.metrics : {})) {
        if (spec.scope === 'pod') produced.add(spec.option);
      }
    }
  }
  config.metricsConfiguration?.contextOptions.forEach(({ metricName }, i) => {
    if (produced.has(metricName)) return;
    const where = text.where(['metricsConfiguration', 'contextOptions', i, 'metricName']);
    if (ORIGINAL_OPTIONS.includes(metricName)) {
      warnings.push({ ...where, message: 'has no effect: no enabled plugin produces it', found: show(metricName) });
      return;
    }
    const near = nearest(metricName, [...produced, ...ORIGINAL_OPTIONS]);
    problems.push({
      ...where,
      message: 'no such pod-level metric',
      found: show(metricName),
      expected: `one of ${[...produced].join(', ') || 'those the enabled plugins declare'}`,
      ...(near && { nearest: near }),
    });
  });
  if (problems.length) throw new ConfigError(problems.sort(byPlace), source.file);
  return { config, warnings };
}

/** A component that the configuration names. */
interface Named {
  readonly kind: Kind;
  readonly name: string;
  readonly text: ConfigText;
  readonly inCluster: boolean;
}

/**
 * A name nobody knows is a mistake; one of the original's plugins that is not installed here costs only that plugin. So does
 * a package of somebody else's in a cluster: whoever installs the chart cannot look into the image, and an agent that does
 * not start because of it would leave its node without any other.
 */
function report(
  { kind, name, text, inCluster }: Named,
  error: RetinaError,
  suggestion: string | undefined,
  problems: ConfigProblem[],
  warnings: ConfigProblem[],
): void {
  const base = [`${kind}s`, name];
  const flat = (['enabledPlugin', 'enabledPlugin_linux'] as const)
    .map((key) => [key, ((text.at([key]) as string[] | undefined) ?? []).indexOf(name)] as const)
    .find(([, i]) => i >= 0);
  const where = text.at(base) === undefined && flat ? text.where(flat) : text.where(base, true);
  if (error.code === 'RETINA_PLUGIN_NOT_FOUND' && BUILT_IN[kind].includes(name)) {
    warnings.push({ ...where, message: `the ${kind} ${name} is not installed and will not run` });
    return;
  }
  const near = error.code === 'RETINA_PLUGIN_NOT_FOUND' ? suggestion : undefined;
  const isCost = inCluster && kind === 'plugin' && name.includes('/');
  (isCost ? warnings : problems).push({
    ...where,
    message: `${error.code}: ${error.summary}${isCost ? '; it will not run, the others will' : ''}`,
    ...(error.found && { found: error.found }),
    ...(error.needed && { expected: error.needed }),
    ...(near && { nearest: near }),
  });
}
