import type { ComponentHealth, Exporter, Logger, Plugin } from '@retina/sdk';
import type { LoaderApi } from '@retina/loader';
import type { MetricsConfiguration } from '../config/schema.ts';

/** What an embedder may put in place of the defaults. */
export interface HostOptions {
  /** Default: JSON lines on standard error at the configuration's level. */
  readonly logger?: Logger;
  /** Version shown in `retina_build_info`. */
  readonly version?: string;
  /** Plugins and exporters that are already imported, by the name the configuration uses; asked before any import. */
  readonly components?: Readonly<Record<string, Plugin | Exporter>>;
  /** Folder or file URL to resolve packages from, after the configuration's folder: the agent passes `import.meta.url`. */
  readonly from?: string;
  /** The native loader; default `@retina/loader`. Null: none, so that no BPF object can be loaded and nothing is tapped. */
  readonly loader?: LoaderApi | null;
  /** Whether to clear up what a dead agent left on clsact hooks. Default true; false where another agent lives. */
  readonly removeStaleFilters?: boolean;
  /** Stops the host when aborted, also in the middle of `Host.start`, which then returns a host that is stopping. */
  readonly signal?: AbortSignal;
  /** Deadlines and budgets in milliseconds, for tests. */
  readonly limits?: Partial<Limits>;
}

/** Deadlines and budgets of the component runner. Milliseconds unless said otherwise. */
export interface Limits {
  /** A `setup` that takes longer fails with RETINA_SETUP_TIMEOUT. */
  readonly setupMs: number;
  /** A handler that takes longer is slow. */
  readonly handlerMs: number;
  /** Throws in a row after which a component is set up afresh. */
  readonly failures: number;
  /** Slow calls in a row after which a component is degraded; as many quick ones end it. */
  readonly slow: number;
  /** First and longest wait before a component is set up again; doubled each time, with jitter. */
  readonly restartMs: number;
  readonly restartMaxMs: number;
  /** Time one component's release may take. */
  readonly releaseMs: number;
}

/** What a cluster says about pod-level metrics. */
export interface PodOverride {
  /** In place of the configuration's. */
  readonly metrics?: MetricsConfiguration | undefined;
  /** Only endpoints that an annotation or a selector chose are reported. Default: where the configuration has either. */
  readonly chosen?: boolean;
}

/** What `reconcile` did, by component as `plugin packetparser`. */
export interface ReconcileReport {
  readonly started: readonly string[];
  readonly restarted: readonly string[];
  readonly stopped: readonly string[];
  readonly unchanged: readonly string[];
  /** Host keys whose change needs a restart of the agent and was not applied. */
  readonly pending: readonly string[];
}

export interface HostEvents {
  /** A component changed its state. */
  state: [ComponentHealth];
  /** A new configuration was applied. */
  reconciled: [ReconcileReport];
}
