import type { z } from 'zod';
import type { EndpointReader } from './endpoint.ts';
import type { FlowReader } from './flow-json.ts';
import type { FlowBatch } from './flow.ts';
import type { MetricReader } from './metrics.ts';
import type { API, ConfigSchema, Stability } from './plugin.ts';
import type { Scope } from './scope.ts';

/** State of a plugin or exporter as `/healthz` shows it. */
export type ComponentState =
  | 'declared' | 'validated' | 'probed' | 'starting' | 'running' | 'degraded' | 'stopping' | 'stopped' | 'failed'; // prettier-ignore

/** How one plugin or exporter does, as `/healthz`, `retina status` and `ctx.health()` show it. A copy: it may be kept. */
export interface ComponentHealth {
  readonly kind: 'plugin' | 'exporter';
  readonly name: string;
  readonly state: ComponentState;
  /** Why it is degraded or failed: code and message. */
  readonly causes: readonly { readonly code: string; readonly message: string }[];
  /** Where it can be reached, as it said itself. */
  readonly serves?: readonly string[];
}

/** How the agent does. A copy: it may be kept. */
export interface Health {
  /** The event loop turns and the native thread runs. */
  readonly live: boolean;
  /** Every required plugin is running or degraded. */
  readonly ready: boolean;
  readonly components: readonly ComponentHealth[];
  /** What is amiss beside the components: an identity file or a changed configuration with mistakes, say. Readiness does not wait for it. */
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

/** Where this agent runs: what an exporter makes resource attributes of. */
export interface HostFacts {
  /** The node's name as the configuration, Kubernetes or the host has it. */
  readonly nodeName: string;
  /** The cluster's name, where the configuration says one (`clusterName`). */
  readonly clusterName: string | undefined;
  /** Version of the agent. */
  readonly version: string;
}

/** What the host gives an exporter, valid until its scope ends (`signal`). */
export interface ExporterContext<C> extends Scope {
  readonly config: Readonly<C>;
  /**
   * Which one of several this is: the configuration's `otlp/east`, or plain `otlp`. Unique among running exporters; what is kept on
   * disk is kept under it. Metrics and states of the host name the exporter by it.
   */
  readonly instance: string;
  readonly host: HostFacts;
  /** Every metric, as far as this exporter's rules (`metricRelabelConfigs`, `maxSeries`) let it through. */
  readonly metrics: MetricReader;
  readonly endpoints: EndpointReader;
  /** Flow records as JSON with names, and by filter. */
  readonly flows: FlowReader;
  /** Text of a label id in a flow record (drop reason, drop location). */
  labelText(id: number): string;
  /** How the agent and everything in it does at this moment: a copy. */
  health(): Health;
  /** Says under which URL this exporter can be reached; shown with its state. */
  serves(url: string): void;
}

/** What became of a call that neither delivered everything nor failed as a whole: returned by a {@link Sink}'s methods. */
export interface PartialDelivery {
  /** Flow records or metric points the receiver refused for good. Counted as lost, never sent again. */
  readonly refused?: number;
  /** Flows only: rows, ascending, that the receiver did not take this time. They are given again, alone, in a later call; every other row is done with. */
  readonly retry?: readonly number[];
  /** With `retry`: milliseconds the receiver asks to wait. */
  readonly retryAfterMs?: number;
  /** Why, in the receiver's words. */
  readonly cause?: string;
}

/** What suits a receiver. The `push` block of the exporter's configuration overrides each; limits of the host apply to both. */
export interface PushHints {
  /** Milliseconds between two pushes of metrics. Default: the host's `metricsIntervalDuration`. */
  readonly metricsIntervalMs?: number;
  /** Most flow records in one call. Default 1024. */
  readonly flowBatch?: number;
  /** Longest wait of a flow record for its batch to fill, in milliseconds. Default 1000. */
  readonly flowWaitMs?: number;
  /** Time one call may take, in milliseconds. Default 10 000. */
  readonly timeoutMs?: number;
}

/**
 * What a push exporter gives the host, which supplies interval, bounded queue, batching, retry, circuit breaking, timeout and counts.
 * A pull exporter returns nothing.
 *
 * `metrics` and `flows` are each called one call at a time, the two independently of each other; flow records come in the order in which
 * they were seen. A call ends in one of four ways:
 * - it returns nothing: everything is delivered;
 * - it returns a {@link PartialDelivery}: some of it is not;
 * - it throws a RetinaError with `retryable: false` (RETINA_EXPORT_REFUSED): none is, and trying again is useless. The records are counted as lost;
 * - it throws anything else (RETINA_EXPORT_RETRY says after how long: `retryAfterMs`), or its signal is aborted first: the same call is
 *   made again, with growing waits, until the push's time is over. What arrived before a connection broke may arrive twice.
 *
 * The signal is aborted when the call has taken its time, and at the end of the agent's; what comes back later is ignored.
 */
export interface Sink {
  readonly push?: PushHints;
  /** Reads what it needs while it runs: the reader shows the state at the time of reading. */
  metrics?(reader: MetricReader, signal: AbortSignal): Promise<PartialDelivery | void>;
  /** A borrowed batch of at most `push.flowBatch` records; it stays valid and unchanged until the promise settles or the signal is aborted. */
  flows?(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | void> | PartialDelivery | void;
  /** Delivers what the sink itself buffers (best: nothing); called once, after the last batch, within the shutdown's deadline. */
  flush?(signal: AbortSignal): Promise<void>;
}

/** An exporter, as `defineExporter` takes it: plain data and `setup`. See {@link Sink} for what a push exporter returns. */
export interface Exporter<S extends ConfigSchema = ConfigSchema> {
  readonly name: string;
  readonly api: typeof API;
  readonly description: string;
  readonly stability: Stability;
  readonly config: S;
  /** Sets everything up and returns: a push exporter its sink, a pull exporter nothing. Throwing leaves nothing behind. Deadline 10 s. */
  setup(ctx: ExporterContext<z.output<S>>): Sink | void | Promise<Sink | void>;
}

/** Declares an exporter. Returns its argument; exists for the types. */
export function defineExporter<S extends ConfigSchema>(exporter: Exporter<S>): Exporter<S> {
  return exporter;
}
