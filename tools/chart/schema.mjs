// values.schema.json: the shape of values.yaml, with the agent's own schema where a key is the agent's, and the plugins'
// manifests for their options. Draft 7, which every Helm 3 understands.

/** Keys of the chart that are keys of the agent's configuration. */
const AGENT_KEYS = [
  'enablePodLevel', 'remoteContext', 'enableAnnotations', 'bypassLookupIPOfInterest', 'enableConntrackMetrics',
  'conntrackReportInterval', 'dataAggregationLevel', 'dataSamplingRate', 'enableTCX', 'logLevel',
]; // prettier-ignore
/** Text that Go reads as a time: what zod's refinement says, for those who have no zod. */
const DURATION = '^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$';
const DURATIONS = new Set(['conntrackReportInterval', 'metricsIntervalDuration', 'interval', 'scrapeTimeout']);
const ENUMS = {
  'image.pullPolicy': ['Always', 'IfNotPresent', 'Never'],
  'service.type': ['ClusterIP', 'NodePort', 'LoadBalancer'],
  'operatorService.type': ['ClusterIP', 'NodePort', 'LoadBalancer'],
};
const OWN = new Set(['plugins', 'pluginNeeds', 'enabledPlugin_linux', 'enabledPlugin_win', 'agent.config']);
/** What names a package rather than a plugin of the chart. */
const PACKAGE = '[@/.]';

export function valuesSchema(entries, { manifests, config }) {
  const plugins = manifests.filter(({ kind }) => kind === 'plugin');
  return withoutForeignPatterns({
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart retina',
    ...object(entries, { plugins, config }),
  });
}

/** Helm is written in Go, whose regular expressions look neither ahead nor behind. */
function withoutForeignPatterns(value) {
  if (Array.isArray(value)) return value.map(withoutForeignPatterns);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, inner]) => key !== 'pattern' || typeof inner !== 'string' || !/\(\?[=!<]|\\[u1-9]/.test(inner),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutForeignPatterns(inner)]));
}

function object(entries, context) {
  const properties = Object.fromEntries(entries.map((entry) => [entry.path.at(-1), property(entry, context)]));
  if (entries[0]?.path.length === 1) properties.global = { type: 'object' }; // what Helm passes to subcharts
  return { type: 'object', additionalProperties: false, properties };
}

function property(entry, context) {
  const description = [entry.none && 'No effect:', entry.comment].filter(Boolean).join(' ');
  return { ...(description && { description }), ...shape(entry, context) };
}

function shape(entry, context) {
  const { path, value, any, children } = entry;
  const key = path.join('.');
  if (OWN.has(key)) return own(key, context);
  if (children) return object(children, context);
  if (any) return Array.isArray(value) ? { type: 'array' } : { type: 'object' };
  if (path.length === 1 && AGENT_KEYS.includes(key)) {
    const { description: _, default: __, ...rest } = context.config.properties[key];
    return DURATIONS.has(key) ? { type: 'string', pattern: DURATION } : rest;
  }
  if (ENUMS[key]) return { enum: ENUMS[key] };
  if (DURATIONS.has(path.at(-1))) return { type: 'string', pattern: `^$|${DURATION}` };
  if (/port$/i.test(path.at(-1))) return path.at(-1) === 'targetPort' ? { type: ['string', 'integer'] } : { type: ['integer', 'null'], minimum: 0, maximum: 65535 }; // prettier-ignore
  if (Array.isArray(value)) return { type: 'array' };
  if (value === null) return {};
  if (typeof value === 'object') return { type: 'object', additionalProperties: { type: 'string' } };
  if (typeof value === 'number') return { type: 'integer', minimum: 0 };
  return { type: typeof value };
}

function own(key, { plugins, config }) {
  const strings = { type: 'array', items: { type: 'string', minLength: 1 } };
  if (key === 'enabledPlugin_win') return { anyOf: [strings, { type: 'string' }] };
  if (key === 'enabledPlugin_linux') {
    const names = { anyOf: [{ enum: plugins.map(({ name }) => name) }, { type: 'string', pattern: PACKAGE }] };
    return {
      anyOf: [
        { type: 'array', items: names },
        { type: 'string', pattern: '^\\[.*\\]$' },
      ],
    };
  }
  if (key === 'plugins') {
    const properties = Object.fromEntries(plugins.map((plugin) => [plugin.name, options(plugin)]));
    return { type: 'object', properties, patternProperties: { [PACKAGE]: { type: ['object', 'null'] } }, additionalProperties: false }; // prettier-ignore
  }
  if (key === 'pluginNeeds') {
    const needs = {
      capabilities: { type: 'array', items: { type: 'string', pattern: '^[A-Z_]+$', not: { pattern: '^CAP_' } } },
      mounts: { type: 'array', items: { type: 'string', pattern: '^/' } },
      hostPid: { type: 'boolean' },
      kernel: { type: 'string' },
      btf: { type: 'boolean' },
    };
    const one = { type: 'object', properties: needs, required: ['capabilities'], additionalProperties: false };
    return { type: 'object', additionalProperties: one };
  }
  // The rest of the agent's configuration: what the chart has no key for.
  const { properties } = config;
  const taken = new Set([...AGENT_KEYS, 'plugins', 'exporters', 'apiServer', 'enabledPlugin', 'enabledPlugin_linux', 'enabledPlugin_win', 'metricsInterval', 'metricsIntervalDuration', 'monitorSockPath']); // prettier-ignore
  const rest = Object.entries(properties).filter(([name]) => !taken.has(name));
  return { type: 'object', properties: Object.fromEntries(rest), additionalProperties: false };
}

/** A plugin's options, with what the host adds to each. */
function options({ config, description }) {
  const { $schema: _, ...schema } = config;
  const properties = { required: { type: 'boolean' }, ...schema.properties };
  return { description, anyOf: [{ ...schema, properties }, { type: 'null' }] };
}
