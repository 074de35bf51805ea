import type { ExportSettings } from '../export/settings.ts';
import type { CONTEXT_LABELS } from './schema.ts';

export type ContextLabel = (typeof CONTEXT_LABELS)[number];

/** One plugin or exporter to run. */
export interface ComponentConfig {
  /** Whether readiness waits for it. Default true for plugins, false for exporters. */
  readonly required: boolean;
  /** The component's own options as written; its schema checks them and adds defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Options from the original's flat keys: used where the component declares an option of that name, below `options`. */
  readonly inherited: Readonly<Record<string, unknown>>;
  /** Exporters: what the host does on the way to it. */
  readonly export?: ExportSettings;
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

/** As Kubernetes' LabelSelector: every one of these must hold. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values: readonly string[];
  }[];
}

/** What the cluster is asked for. */
export interface KubernetesConfig {
  /** Whether an API server is asked at all. */
  readonly enabled: boolean;
  /** Absolute; undefined: the pod's service account, or KUBECONFIG. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** In remote context: where pods of other nodes are read from. */
  readonly source: 'pods' | 'endpoints';
  /** Pod-level metrics for what carries the annotation `retina.sh: observe` only; MetricsConfiguration objects are not asked for. */
  readonly annotations: boolean;
  /** Every endpoint is reported, whatever annotations, selectors and namespaces say. */
  readonly bypass: boolean;
  readonly podSelector: LabelSelector | undefined;
  readonly namespaceSelector: LabelSelector | undefined;
}

/** What is kept of the flow records that passed. */
export interface HistoryConfig {
  /** Records in memory. */
  readonly records: number;
  /** Age in milliseconds at which records in memory are no longer shown; undefined: none. */
  readonly maxAgeMs: number | undefined;
  /** Undefined: nothing on disk. `directory` is absolute. */
  readonly disk: { readonly directory: string; readonly maxBytes: number; readonly maxAgeMs: number } | undefined;
}

/** A checked configuration: what `Host.start` takes. Plain data, frozen. */
export interface Config {
  readonly plugins: Readonly<Record<string, ComponentConfig>>;
  readonly exporters: Readonly<Record<string, ComponentConfig>>;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly nodeName: string;
  /** What exporters call the cluster; undefined where nobody said. */
  readonly clusterName: string | undefined;
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
  readonly kubernetes: KubernetesConfig;
  /** `10.0.0.1:443`, `[fd00::1]:6443` */
  readonly apiServers: readonly string[];
  readonly kernelEvents: { readonly namespaces: 'auto' | 'node' | 'all' };
  readonly flows: { readonly history: HistoryConfig };
  readonly api: { readonly socket: string | false };
  /** The folder packages and relative paths are resolved from: the configuration file's, else the working directory. */
  readonly directory: string;
}
