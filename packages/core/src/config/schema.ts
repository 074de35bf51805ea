import { z } from 'zod';
import { exporterKeys } from '../export/settings.ts';
import { parseServer } from '../node/api-servers.ts';
import { parseDuration } from './duration.ts';
import { historyKey } from './history-schema.ts';
import { kubernetesKey } from './kubernetes-schema.ts';

export type * from './config.ts';

/** Context labels of pod-level metrics, as MetricsConfiguration spells them. */
export const CONTEXT_LABELS = ['ip', 'namespace', 'podname', 'workload', 'service', 'port', 'zone'] as const;

/** A Go duration with a unit, in milliseconds once parsed. */
const duration = (min = 0) =>
  z
    .string()
    .refine((text) => (parseDuration(text) ?? -1) >= min, {
      error: `must be a duration${min ? ` of at least ${min < 1000 ? `${min}ms` : `${min / 1000}s`}` : ''} such as "500ms", "10s" or "1m30s"`,
    })
    .transform((text) => parseDuration(text)!);

/** Lower and upper case alike, as the original reads it. */
const anyCase = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value), z.enum(values));

/** What stands under a plugin's or exporter's name: `required`, and the component's own options, checked by its schema. */
const component = z
  .looseObject({
    required: z
      .boolean()
      .optional()
      .describe('Whether readiness waits for it. Default: true for plugins, false for exporters.'),
  })
  .nullable()
  .transform((value) => value ?? {});

/** An exporter has keys that the host reads beside it. */
const exporterComponent = z
  .looseObject({ required: component.in.unwrap().shape.required, ...exporterKeys })
  .nullable()
  .transform((value) => value ?? {});

const patterns = z.array(z.string().min(1));
const names = z.array(z.string().min(1));

const contextOption = z.strictObject({
  metricName: z.string().min(1).describe('Pod-level family, such as forward_count.'),
  sourceLabels: z
    .array(anyCase(CONTEXT_LABELS))
    .default([])
    .describe('Labels of the source; in local context of the endpoint itself.'),
  destinationLabels: z
    .array(anyCase(CONTEXT_LABELS))
    .default([])
    .describe('Labels of the destination, in remote context.'),
  additionalLabels: z
    .array(z.enum(['is_reply']))
    .default([])
    .describe('Further labels.'),
  ttl: duration()
    .optional()
    .describe('Time without a sample after which a series ends; without it, with its endpoint.'),
});

/** The shape of MetricsConfiguration's spec. */
export const metricsConfiguration = z.strictObject({
  contextOptions: z
    .array(contextOption)
    .default([])
    .describe(
      'Which pod-level families there are, and with which labels; without any, all of them with ip, namespace, podname and workload.',
    ),
  namespaces: z
    .strictObject({
      include: z.array(z.string().min(1)).optional().describe('Only these namespaces.'),
      exclude: z.array(z.string().min(1)).optional().describe('All but these namespaces.'),
    })
    .refine((n) => !(n.include && n.exclude), { error: 'include and exclude are mutually exclusive: remove one' })
    .default({})
    .describe('Namespaces whose endpoints are reported.'),
});

/** The host's own keys. */
const hostKeys = {
  plugins: z
    .record(z.string().min(1), component)
    .optional()
    .describe(
      'Plugins to run: NAME for @retina/plugin-NAME, another npm package, or a path; each with its own options.',
    ),
  exporters: z
    .record(z.string().min(1), exporterComponent)
    .optional()
    .describe('Exporters to run, likewise; NAME/INSTANCE where one runs more than once. Without the key: prometheus.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic'])
    .default('info')
    .describe('Least level that is logged.'),
  nodeName: z
    .string()
    .min(1)
    .optional()
    .describe("This node's name in metrics and flows. Default: NODE_NAME, else the host name."),
  clusterName: z.string().min(1).optional().describe("The cluster's name, for receivers that several clusters feed."),
  taps: z
    .strictObject({
      extra: patterns
        .default([])
        .describe(
          'Interfaces to tap beside endpoints and uplinks; glob patterns. What an uplink stands for (its VLANs, the members of a bond) is seen there.',
        ),
      exclude: patterns.default([]).describe('Interfaces never to tap, whatever their role; glob patterns.'),
    })
    .default({ extra: [], exclude: [] })
    .describe('Which interfaces are observed beside those found by themselves.'),
  identity: z
    .strictObject({
      file: z
        .string()
        .min(1)
        .optional()
        .describe('Static endpoints, relative to the configuration file; read again when it changes.'),
      local: z.boolean().default(true).describe("Endpoints from this host's interfaces and named network namespaces."),
    })
    .default({ local: true })
    .describe('Where names of endpoints come from.'),
  kubernetes: kubernetesKey,
  apiServers: z
    .array(
      z.string().refine((text) => parseServer(text) !== undefined, {
        error: 'must be an address and a port such as "10.0.0.1:443" or "[fd00::1]:6443"',
      }),
    )
    .default([])
    .describe('Addresses of the Kubernetes API server, where no cluster tells them.'),
  kernelEvents: z
    .strictObject({
      namespaces: z
        .enum(['auto', 'node', 'all'])
        .default('auto')
        .describe(
          "Network namespaces whose kernel-wide events (drops, retransmits, failed connects) count. `node`: the agent's own and those its interfaces lead to. `all`: every one of this kernel. `auto`: all on a machine of its own, `node` where the agent's node is itself a namespace.",
        ),
    })
    .default({ namespaces: 'auto' })
    .describe('Events of the kernel that have no interface of ours.'),
  metricsConfiguration: metricsConfiguration
    .optional()
    .describe("Labels of pod-level metrics, in the shape of MetricsConfiguration's spec."),
  flows: z
    .strictObject({
      history: historyKey,
    })
    .default({ history: 4096 })
    .describe('The flow log.'),
  api: z
    .strictObject({
      socket: z
        .union([z.string().min(1), z.literal(false)])
        .default('/run/retina/agent.sock')
        .describe('Unix socket the command line talks to; false for none.'),
    })
    .default({ socket: '/run/retina/agent.sock' })
    .describe('The local API.'),
};

/** The keys of the original's ConfigMap, with its defaults. What each means here is decided in `legacy.ts`. */
const configMapKeys = {
  apiServer: z
    .strictObject({
      host: z.string().min(1).optional().describe("The prometheus exporter's host."),
      port: z.int().min(0).max(65_535).optional().describe("The prometheus exporter's port."),
    })
    .optional()
    .describe('Where metrics are served, as the original spells it.'),
  enabledPlugin: names.optional().describe('Plugins to run with their default options, beside those of `plugins`.'),
  enabledPlugin_linux: names.optional().describe('The same, for Linux nodes.'),
  enabledPlugin_win: names.optional().describe('The same, for Windows nodes; no effect on Linux.'),
  metricsInterval: z.int().min(1).optional().describe('Seconds; deprecated, see metricsIntervalDuration.'),
  metricsIntervalDuration: duration(100)
    .optional()
    .describe(
      'Time between two readings of the kernel and two pushes of push exporters. Default: that of each plugin, 10s for pushes.',
    ),
  enableTelemetry: z.boolean().optional().describe('No effect: no telemetry is ever sent.'),
  telemetryInterval: duration(120_000).optional().describe('No effect: no telemetry is ever sent.'),
  enableRetinaEndpoint: z
    .boolean()
    .optional()
    .describe('In remote context: pods of other nodes are read from RetinaEndpoint objects, see kubernetes.source.'),
  enablePodLevel: z.boolean().default(false).describe('Pod-level metrics.'),
  remoteContext: z
    .boolean()
    .default(false)
    .describe('Pod-level metrics name both ends of a flow, not only the local one.'),
  enableAnnotations: z
    .boolean()
    .optional()
    .describe(
      'Pod-level metrics only for pods that carry the annotation `retina.sh: observe`, or whose namespace does. No effect without a cluster.',
    ),
  enableConntrackMetrics: z.boolean().optional().describe('Passed to plugins that have the option.'),
  bypassLookupIPOfInterest: z
    .boolean()
    .optional()
    .describe(
      'Pod-level metrics for every endpoint, whatever annotations, selectors and the namespaces of MetricsConfiguration say.',
    ),
  dataAggregationLevel: z.enum(['low', 'high']).optional().describe('Passed to plugins that have the option.'),
  dataSamplingRate: z.int().min(1).max(4_294_967_295).optional().describe('Passed to plugins that have the option.'),
  conntrackReportInterval: duration(1000).optional().describe('Passed to plugins that have the option.'),
  packetParserRingBuffer: z
    .enum(['enabled', 'disabled'])
    .optional()
    .describe('No effect: flows are always aggregated in rings.'),
  packetParserRingBufferSize: z.int().min(4096).max(1_073_741_824).optional().describe('No effect.'),
  filterMapMaxEntries: z.int().min(1).optional().describe('No effect: there is no filter map.'),
  enableTCX: z.enum(['auto', 'off']).default('auto').describe('`off`: taps use clsact also where the kernel has tcx.'),
  monitorSockPath: z.string().min(1).optional().describe('Passed to plugins that have the option.'),
};

/** One schema for the whole file. Unknown keys are mistakes. */
export const configSchema = z.strictObject({ ...hostKeys, ...configMapKeys });
export type RawConfig = z.output<typeof configSchema>;

/** JSON Schema (2020-12) of the configuration file, for editors and for the reference. Options of plugins are in their manifests. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' });
}
