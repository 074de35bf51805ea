import type { z } from 'zod';
import type { EndpointReader } from './endpoint.ts';
import type { FlowAnnotation } from './flow-annotation.ts';
import type { FlowBatch } from './flow.ts';
import type { BpfHandle, BpfOptions, KernelFeatures } from './kernel.ts';
import type { Instruments, MetricSpecs } from './metrics.ts';
import type { AddressNames, ApiServers, Devices, Netlink } from './node.ts';
import type { Scope } from './scope.ts';
import type { Taps } from './taps.ts';
import type { Translations } from './translations.ts';

/** The version of the plugin and exporter contract. */
export const API = 1;

/** What users may expect: `experimental` may vanish, `beta` may change, `stable` keeps names and meaning. */
export type Stability = 'experimental' | 'beta' | 'stable';
/** Where a plugin runs, in Node's terms. */
export type Platform = 'linux' | 'win32';
/** Options of a plugin or exporter: a zod object, flat or nested, every key with `.describe(…)`. The host refuses unknown keys. */
export type ConfigSchema = z.ZodObject;

/** What a plugin asks of the node. The chart grants the union over enabled plugins; `retina doctor` checks it. */
export interface Needs {
  /** Linux capabilities without CAP_. */
  readonly capabilities: readonly string[];
  /** Lowest kernel, `major.minor`. */
  readonly kernel?: string;
  readonly btf?: boolean;
  /** Host paths to mount read-only. */
  readonly mounts?: readonly string[];
  readonly hostPid?: boolean;
}

/** Flow records on their way to every consumer. */
export interface Flows {
  /**
   * Whether only the flows of chosen pods are reported: then `batch.aside(row)` is true of those of others. A plugin need not ask,
   * unless there is work to save before a record is made.
   */
  readonly selecting: boolean;
  /** Hands a batch to the host: identity is resolved in place, then pod-level metrics, flow log and exporters see it, before this returns. At most once per batch. */
  emit(batch: FlowBatch): void;
  /**
   * Resolves identity in place and nothing more: for rows that pod-level metrics are counted by and that are no flow records
   * of their own, since another plugin has counted their packets.
   */
  resolve(batch: FlowBatch): void;
  /** Adds what is known of a connection to the flow records other plugins emit for it. Unknown connections are left alone. */
  annotate(annotation: FlowAnnotation): void;
}

/** What the host gives a plugin, valid until its scope ends (`signal`). Whatever it hands out is released with the scope. */
export interface PluginContext<C, M extends MetricSpecs> extends Scope {
  /** Validated, with defaults, frozen. */
  readonly config: Readonly<C>;
  readonly metrics: Instruments<M>;
  readonly kernel: KernelFeatures;
  readonly taps: Taps;
  readonly flows: Flows;
  readonly endpoints: EndpointReader;
  readonly netlink: Netlink;
  readonly devices: Devices;
  readonly apiServers: ApiServers;
  readonly names: AddressNames;
  readonly translations: Translations;
  /** An id for a label value; the same text gives the same id. Bounded: past 65 536 texts a plugin gets the id of "overflow". */
  label(text: string): number;
  /** The text of a label id, of this plugin or of another one; `unknown` for an id that nobody has. */
  labelText(id: number): string;
  /** Opens and loads a BPF object file. Throws RETINA_OBJECT_INVALID, RETINA_VERIFIER_REJECTED or RETINA_LOAD_FAILED. */
  bpf(object: URL, options?: BpfOptions): Promise<BpfHandle>;
}

/** A plugin, as `definePlugin` takes it: plain data and `setup`. What it may rely on: docs/explanation/plugin-contract.md. */
export interface Plugin<S extends ConfigSchema = ConfigSchema, M extends MetricSpecs = MetricSpecs> {
  /** The name used in the configuration: lower case letters, digits and dashes. */
  readonly name: string;
  /** Must equal {@link API}. */
  readonly api: typeof API;
  /** One sentence. */
  readonly description: string;
  readonly stability: Stability;
  readonly platforms: readonly Platform[];
  readonly needs: Needs;
  readonly config: S;
  readonly metrics: M;
  /** Sets everything up and returns; the host releases it. Throwing leaves nothing behind. Deadline 10 s. */
  setup(ctx: PluginContext<z.output<S>, M>): void | Promise<void>;
}

/** Declares a plugin. Returns its argument; exists for the types. */
export function definePlugin<S extends ConfigSchema, const M extends MetricSpecs>(plugin: Plugin<S, M>): Plugin<S, M> {
  return plugin;
}
