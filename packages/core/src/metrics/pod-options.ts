import type { PodCounterSpec, PodHistogramSpec } from '@retina/sdk';
import { CONTEXT_LABELS, type ContextLabel, type MetricsConfiguration } from '../config/schema.ts';

export type PodSpec = PodCounterSpec | PodHistogramSpec;

/** How pod-level families are labelled: the part of the configuration that may change at run time. */
export interface PodMetricsConfig {
  /** `local`: one endpoint per sample, labels without prefix. `remote`: both ends. */
  readonly context: 'off' | 'local' | 'remote';
  /** Undefined, or without context options: default labels on every pod-level family. */
  readonly metrics?: MetricsConfiguration | undefined;
  /** `all`: every endpoint, whatever namespaces say. `chosen`: those that an annotation or a selector chose. */
  readonly interest?: 'all' | 'chosen' | undefined;
}

/** One family's labels, decided. */
export interface PodOptions {
  readonly context: 'local' | 'remote';
  /** In local context those of the endpoint itself. */
  readonly source: readonly ContextLabel[];
  readonly destination: readonly ContextLabel[];
  readonly isReply: boolean;
  readonly direction: boolean;
  /** Milliseconds without a sample after which a series ends; 0 for never. */
  readonly ttlMs: number;
  readonly include: readonly string[] | undefined;
  readonly exclude: readonly string[] | undefined;
  /** Only flows of an endpoint that an annotation or a selector chose. */
  readonly chosen: boolean;
}

const DEFAULT_LABELS: readonly ContextLabel[] = ['ip', 'namespace', 'podname', 'workload'];

/** What a family's labels are under a configuration; undefined if the family is switched off. */
export function podOptions(spec: PodSpec, config: PodMetricsConfig): PodOptions | undefined {
  if (config.context === 'off') return undefined;
  const options = config.metrics?.contextOptions ?? [];
  const name = spec.option.toLowerCase();
  const option = options.find((o) => o.metricName.toLowerCase() === name);
  if (options.length > 0 && !option) return undefined;
  const remote = config.context === 'remote';
  const additional = spec.kind === 'counter' ? (spec.additional ?? []) : [];
  const namespaces = config.interest === 'all' ? undefined : config.metrics?.namespaces;
  return {
    context: config.context,
    source: inOrder(option ? option.sourceLabels : DEFAULT_LABELS),
    destination: remote ? inOrder(option ? option.destinationLabels : DEFAULT_LABELS) : [],
    isReply: additional.includes('is_reply') && (option?.additionalLabels.includes('is_reply') ?? false),
    direction: spec.direction ?? false,
    ttlMs: option?.ttlMs ?? 0,
    include: namespaces?.include,
    exclude: namespaces?.exclude,
    chosen: config.interest === 'chosen',
  };
}

/** Whether two families may share one resolution of flows to label tuples. */
export function sharingKey({ ttlMs: _, ...options }: PodOptions): string {
  return JSON.stringify(options);
}

/** Label names of a family: the plugin's, direction, context, additional. */
export function podLabels(own: readonly string[], options: PodOptions): string[] {
  const remote = options.context === 'remote';
  return [
    ...own,
    ...(options.direction ? ['direction'] : []),
    ...options.source.flatMap((label) => columns(label, remote ? 'source_' : '')),
    ...options.destination.flatMap((label) => columns(label, 'destination_')),
    ...(options.isReply ? ['is_reply'] : []),
  ];
}

function columns(label: ContextLabel, prefix: string): string[] {
  return label === 'workload' ? [`${prefix}workload_kind`, `${prefix}workload_name`] : [prefix + label];
}

/** The original's order, whatever the configuration's, each once, in any case. */
function inOrder(labels: readonly string[]): ContextLabel[] {
  const wanted = new Set(labels.map((label) => label.toLowerCase()));
  return CONTEXT_LABELS.filter((label) => wanted.has(label));
}
