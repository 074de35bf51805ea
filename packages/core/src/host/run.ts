import type { Exporter, Plugin, RetinaError } from '@retina/sdk';
import type { Guard } from './guard.ts';
import type { HostScope } from './scope.ts';

/** One run of a component's `setup`: what it may use, and how its resources end. */
export interface Run {
  readonly scope: HostScope;
  readonly guard: Guard;
  /** A cause of degradation that may pass: under `key` until called with undefined. */
  condition(key: string, cause: RetinaError | undefined): void;
  /** What it stands on ended by itself: everything is released, and set up afresh if that may help. */
  failed(cause: RetinaError): void;
  /** A URL under which the component can be reached in this run. */
  serves(url: string): void;
}

/** What is particular to a plugin or exporter; the runner below is the same for both. */
export interface ComponentSteps<D extends Plugin | Exporter> {
  /** Imports the module and checks its default export. */
  load(): Promise<D>;
  /** Checks the options and what the component declares (its metrics). */
  validate(definition: D): void;
  /** What this node lacks; empty if it can run. */
  probe(definition: D): readonly RetinaError[];
  setup(definition: D, run: Run): Promise<void>;
}
