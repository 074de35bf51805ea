import { z } from 'zod';
import { parseDuration } from './duration.ts';

/** Context labels of pod-level metrics, as MetricsConfiguration spells them. */
export const CONTEXT_LABELS = ['ip', 'namespace', 'podname', 'workload', 'service', 'port', 'zone'] as const;
export type ContextLabel = (typeof CONTEXT_LABELS)[number];

/** A Go duration with a unit, in milliseconds once parsed. */
const duration = (min = 0) =>
  z
    .string()
    .refine((text) => (parseDuration(text) ?? -1) >= min, {
      error: `must be a duration of at least ${min} ms such as "500ms", "10s" or "1m30s"`,
    })
    .transform((text) => parseDuration(text)!);

/** Lower and upper case alike, as the original reads it. */
const anyCase = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value), z.enum(values));

/** What stands under a plugin's or exporter's name: `required`, and the component's own options, checked by its schema. */
const component = z
  .looseObject({ required: z.boolean().optional() })
  .nullable()
  .transform((value) => value ?? {});

const patterns = z.array(z.string().min(1));

const contextOption = z.strictObject({
  metricName: z.string().min(1),
  sourceLabels: z.array(anyCase(CONTEXT_LABELS)).default([]),
  destinationLabels: z.array(anyCase(CONTEXT_LABELS)).default([]),
  additionalLabels: z.array(z.enum(['is_reply'])).default([]),
  ttl: duration().optional(),
});

/** The shape of MetricsConfiguration's spec. */
export const metricsConfiguration = z.strictObject({
  contextOptions: z.array(contextOption).default([]),
  namespaces: z
    .strictObject({ include: z.array(z.string().min(1)).optional(), exclude: z.array(z.string().min(1)).optional() })
    .refine((n) => !(n.include && n.exclude), { error: 'include and exclude are mutually exclusive: remove one' })
    .default({}),
});

/** The host's own keys. */
const hostKeys = {
  plugins: z.record(z.string().min(1), component).optional(),
  exporters: z.record(z.string().min(1), component).optional(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic']).default('info'),
  /** This node's name in metrics and flows; the host name if not given. */
  nodeName: z.string().min(1).optional(),
  taps: z
    .strictObject({
      /** Interfaces to tap beside endpoints and uplinks; glob patterns. */
      extra: patterns.default([]),
      /** Interfaces never to tap, whatever their role; glob patterns. */
      exclude: patterns.default([]),
    })
    .default({ extra: [], exclude: [] }),
  identity: z
    .strictObject({
      /** Static endpoints; relative to the configuration file. Reloaded when it changes. */
      file: z.string().min(1).optional(),
      /** Endpoints from this host's interfaces and named network namespaces. */
      local: z.boolean().default(true),
    })
    .default({ local: true }),
  metricsConfiguration: metricsConfiguration.optional(),
  flows: z
    .strictObject({
      /** Records kept for `retina flows`. */
      history: z.int().min(0).max(1_048_576).default(4096),
    })
    .default({ history: 4096 }),
  api: z
    .strictObject({
      /** Unix socket the command line talks to; false for none. */
      socket: z.union([z.string().min(1), z.literal(false)]).default('/run/retina/agent.sock'),
    })
    .default({ socket: '/run/retina/agent.sock' }),
};

/** The keys of the original's ConfigMap, with its defaults. What each means here is decided in `legacy.ts`. */
const configMapKeys = {
  apiServer: z
    .strictObject({ host: z.string().min(1).optional(), port: z.int().min(0).max(65_535).optional() })
    .optional(),
  enabledPlugin: z.array(z.string().min(1)).optional(),
  enabledPlugin_linux: z.array(z.string().min(1)).optional(),
  enabledPlugin_win: z.array(z.string().min(1)).optional(),
  metricsInterval: z.int().min(1).optional(),
  metricsIntervalDuration: duration(100).optional(),
  enableTelemetry: z.boolean().optional(),
  telemetryInterval: duration(120_000).optional(),
  enableRetinaEndpoint: z.boolean().optional(),
  enablePodLevel: z.boolean().default(false),
  remoteContext: z.boolean().default(false),
  enableAnnotations: z.boolean().optional(),
  enableConntrackMetrics: z.boolean().optional(),
  bypassLookupIPOfInterest: z.boolean().optional(),
  dataAggregationLevel: z.enum(['low', 'high']).optional(),
  dataSamplingRate: z.int().min(1).max(4_294_967_295).optional(),
  conntrackReportInterval: duration(1000).optional(),
  packetParserRingBuffer: z.enum(['enabled', 'disabled']).optional(),
  packetParserRingBufferSize: z.int().min(4096).max(1_073_741_824).optional(),
  filterMapMaxEntries: z.int().min(1).optional(),
  enableTCX: z.enum(['auto', 'off']).default('auto'),
  monitorSockPath: z.string().min(1).optional(),
};

/** One schema for the whole file. Unknown keys are mistakes. */
export const configSchema = z.strictObject({ ...hostKeys, ...configMapKeys });
export type RawConfig = z.output<typeof configSchema>;

/** One plugin or exporter to run. */
export interface ComponentConfig {
  /** Whether readiness waits for it. Default true for plugins, false for exporters. */
  readonly required: boolean;
  /** The component's own options as written; its schema checks them and adds defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Options from the original's flat keys: used where the component declares an option of that name, below `options`. */
  readonly inherited: Readonly<Record<string, unknown>>;
}

export interface ContextOption {
  /** Name of a pod-level family's `option`, such as `forward_count`. */
  readonly metricName: string;
  readonly sourceLabels: readonly ContextLabel[];
  readonly destinationLabels: readonly ContextLabel[];
  readonly additionalLabels: readonly 'is_reply'[];
  /** Milliseconds without a sample after which a series ends; undefined: with its endpoint. */
  readonly ttlMs: number | undefined;
}

export interface MetricsConfiguration {
  readonly contextOptions: readonly ContextOption[];
  readonly namespaces: { readonly include?: readonly string[]; readonly exclude?: readonly string[] };
}

/** A checked configuration: what `Host.start` takes. Plain data, frozen. */
export interface Config {
  readonly plugins: Readonly<Record<string, ComponentConfig>>;
  readonly exporters: Readonly<Record<string, ComponentConfig>>;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly nodeName: string;
  /** Milliseconds between two polls of node metrics and two pushes of push exporters. */
  readonly metricsIntervalMs: number;
  /** Pod-level metrics on or off, and in which context. */
  readonly podLevel: 'off' | 'local' | 'remote';
  /** Undefined: the default labels (ip, namespace, podname, workload) on every pod-level family. */
  readonly metricsConfiguration: MetricsConfiguration | undefined;
  readonly taps: {
    readonly extra: readonly string[];
    readonly exclude: readonly string[];
    /** `auto`: tcx where the kernel has it, else clsact. */
    readonly mode: 'auto' | 'clsact';
  };
  /** `file` is absolute. */
  readonly identity: { readonly file: string | undefined; readonly local: boolean };
  readonly flows: { readonly history: number };
  readonly api: { readonly socket: string | false };
  /** The folder packages and relative paths are resolved from: the configuration file's, else the working directory. */
  readonly directory: string;
}
