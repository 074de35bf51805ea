import { kubernetesNotes } from './kubernetes.ts';
import type { ConfigProblem } from './problem.ts';
import type { ComponentConfig, RawConfig } from './schema.ts';
import type { ConfigText } from './source.ts';

type RawExporter = NonNullable<RawConfig['exporters']>[string];

/** Keys of the original's ConfigMap that change nothing here, and why. */
const WITHOUT_EFFECT: Readonly<Partial<Record<keyof RawConfig, string>>> = {
  enabledPlugin_win: 'names plugins for Windows nodes',
  enableTelemetry: 'this agent sends no telemetry to anyone',
  telemetryInterval: 'this agent sends no telemetry to anyone',
  filterMapMaxEntries: 'every address is observed, so there is no filter map',
  packetParserRingBuffer: 'flows are always aggregated in rings in the kernel',
  packetParserRingBufferSize: 'the size of the flow rings is an option of the packetparser plugin',
};

/** Values that say nothing more than the default does are no news. */
const SILENT: Readonly<Partial<Record<keyof RawConfig, unknown>>> = {
  enableTelemetry: false,
};

/** Flat keys that became options of a plugin; each is offered to every enabled plugin that declares it. */
const PLUGIN_OPTIONS = [
  'dataAggregationLevel',
  'dataSamplingRate',
  'conntrackReportInterval',
  'enableConntrackMetrics',
  'monitorSockPath',
] as const satisfies readonly (keyof RawConfig)[];

/** Plugins and exporters to run, from both shapes of configuration. */
export function components(
  raw: RawConfig,
  metricsIntervalMs: number,
): {
  plugins: Record<string, ComponentConfig>;
  exporters: Record<string, ComponentConfig>;
} {
  const inherited: Record<string, unknown> = {};
  for (const key of PLUGIN_OPTIONS) if (raw[key] !== undefined) inherited[key] = raw[key];
  if (raw.metricsIntervalDuration !== undefined || raw.metricsInterval !== undefined) {
    inherited['metricsIntervalDuration'] = inherited['intervalMs'] = metricsIntervalMs;
  }
  const plugins: Record<string, ComponentConfig> = {};
  for (const [name, block] of Object.entries(raw.plugins ?? {})) plugins[name] = component(block, true, inherited);
  for (const name of [...(raw.enabledPlugin ?? []), ...(raw.enabledPlugin_linux ?? [])]) {
    plugins[name] ??= component({}, true, inherited);
  }
  const exporters: Record<string, ComponentConfig> = {};
  for (const [name, block] of Object.entries(raw.exporters ?? { prometheus: {} })) {
    exporters[name] = exporter(block, name === 'prometheus' ? { ...raw.apiServer } : {});
  }
  return { plugins, exporters };
}

function component(
  block: Record<string, unknown>,
  byDefault: boolean,
  inherited: Record<string, unknown>,
): ComponentConfig {
  const { required, ...options } = block;
  return { required: typeof required === 'boolean' ? required : byDefault, options, inherited };
}

function exporter(block: RawExporter, inherited: Record<string, unknown>): ComponentConfig {
  const { push, metricRelabelConfigs, flowRelabelConfigs, maxSeries, ...own } = block;
  const settings = { push, metricRelabelConfigs, flowRelabelConfigs, maxSeries };
  const any = Object.values(settings).some((value) => value !== undefined);
  return { ...component(own, false, inherited), ...(any && { export: settings }) };
}

/** What stands in the file and has no effect, alone or together with something else. */
export function notes(raw: RawConfig, text: ConfigText): ConfigProblem[] {
  const out: ConfigProblem[] = [];
  const warn = (path: readonly (string | number)[], message: string) =>
    out.push({ ...text.where(path, true), message });
  for (const [key, why] of Object.entries(WITHOUT_EFFECT) as [keyof RawConfig, string][]) {
    if (raw[key] !== undefined && raw[key] !== SILENT[key]) warn([key], `accepted, but has no effect: ${why}`);
  }
  if (raw.metricsInterval !== undefined) {
    warn(
      ['metricsInterval'],
      raw.metricsIntervalDuration === undefined
        ? 'deprecated; write metricsIntervalDuration: "10s"'
        : 'has no effect beside metricsIntervalDuration',
    );
  }
  if (raw.metricsConfiguration && !raw.enablePodLevel) {
    warn(['metricsConfiguration'], 'has no effect without enablePodLevel: true');
  }
  if (raw.remoteContext && !raw.enablePodLevel) warn(['remoteContext'], 'has no effect without enablePodLevel: true');
  if (raw.apiServer && raw.exporters && !('prometheus' in raw.exporters)) {
    warn(['apiServer'], 'has no effect: exporters does not name prometheus');
  }
  for (const key of Object.keys(raw.apiServer ?? {})) {
    if (key in (raw.exporters?.['prometheus'] ?? {}))
      warn(['apiServer', key], `has no effect beside exporters.prometheus.${key}`);
  }
  if (!raw.remoteContext) {
    raw.metricsConfiguration?.contextOptions.forEach((option, i) => {
      if (option.destinationLabels.length === 0) return;
      warn(
        ['metricsConfiguration', 'contextOptions', i, 'destinationLabels'],
        'has no effect in local context (remoteContext: false)',
      );
    });
  }
  if (!raw.plugins && !raw.enabledPlugin && !raw.enabledPlugin_linux) {
    out.push({ path: 'plugins', message: 'no plugin is enabled, so nothing is observed' });
  }
  out.push(...kubernetesNotes(raw, text));
  return out;
}
