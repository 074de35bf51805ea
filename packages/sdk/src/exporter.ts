import type { z } from 'zod';
import type { EndpointReader } from './endpoint.ts';
import type { FlowBatch } from './flow.ts';
import type { MetricReader } from './metrics.ts';
import type { API, ConfigSchema, Stability } from './plugin.ts';
import type { Scope } from './scope.ts';

/** State of a plugin or exporter as `/healthz` shows it. */
export type ComponentState =
  | 'declared' | 'validated' | 'probed' | 'starting' | 'running' | 'degraded' | 'stopping' | 'stopped' | 'failed'; // prettier-ignore

export interface ComponentHealth {
  readonly kind: 'plugin' | 'exporter';
  readonly name: string;
  readonly state: ComponentState;
  /** Why it is degraded or failed: code and message. */
  readonly causes: readonly { readonly code: string; readonly message: string }[];
  /** Where it can be reached, as it said itself. */
  readonly serves?: readonly string[];
}

export interface Health {
  /** The event loop turns and the native thread runs. */
  readonly live: boolean;
  /** Every required plugin is running or degraded. */
  readonly ready: boolean;
  readonly components: readonly ComponentHealth[];
  /** What is amiss beside the components: an identity file or a changed configuration with mistakes, say. Readiness does not wait for it. */
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

export interface ExporterContext<C> extends Scope {
  readonly config: Readonly<C>;
  readonly metrics: MetricReader;
  readonly endpoints: EndpointReader;
  /** Text of a label id in a flow record (drop reason, drop location). */
  labelText(id: number): string;
  health(): Health;
  /** Says under which URL this exporter can be reached; shown with its state. */
  serves(url: string): void;
}

/** What a push exporter gives the host, which supplies interval, bounded queue, batching, retry and timeout. A pull exporter returns nothing. */
export interface Sink {
  metrics?(reader: MetricReader, signal: AbortSignal): Promise<void>;
  /** A borrowed batch; it stays valid until the promise settles. */
  flows?(batch: FlowBatch, signal: AbortSignal): Promise<void> | void;
  /** Delivers what is buffered; called at shutdown, within its deadline. */
  flush?(signal: AbortSignal): Promise<void>;
}

export interface Exporter<S extends ConfigSchema = ConfigSchema> {
  readonly name: string;
  readonly api: typeof API;
  readonly description: string;
  readonly stability: Stability;
  readonly config: S;
  setup(ctx: ExporterContext<z.output<S>>): Sink | void | Promise<Sink | void>;
}

/** Declares an exporter. Returns its argument; exists for the types. */
export function defineExporter<S extends ConfigSchema>(exporter: Exporter<S>): Exporter<S> {
  return exporter;
}
