import type { ComponentHealth } from '@retina/sdk';

/** What `kernel-child` is asked to do, as one argument of JSON. */
export interface KernelTask {
  /** URL of the module whose default export is the plugin. */
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Restarts after the first run. */
  readonly restarts: number;
  /** Where to write a recording of the first run, if at all. */
  readonly record?: string;
}

/** Its last line of output. */
export interface KernelFindings {
  readonly health: ComponentHealth;
  readonly handlerErrors: number;
  readonly impossible: readonly string[];
  /** Descriptors by kind: before the first start, after the first stop, after the last. */
  readonly before: Readonly<Record<string, number>>;
  readonly afterFirst: Readonly<Record<string, number>>;
  readonly afterLast: Readonly<Record<string, number>>;
  /** Batches recorded. */
  readonly batches: number;
  readonly errors: readonly string[];
}
