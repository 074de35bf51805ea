import type { RetinaError } from './errors.ts';

/** Structured logging; `fields` become JSON members. */
export interface Logger {
  /** For whoever looks for a mistake; not shown by default. */
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Worth knowing while all is well. Rare: not per record. */
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Somebody should look at it; it goes on. */
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Something is lost or not working. What passes is better told by {@link Scope.degrade}. */
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** What the host owns on behalf of a plugin or exporter. Everything is released in reverse order on stop, on reload and when `setup` fails half-way. */
export interface Scope {
  /** Aborted when the scope ends. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Hands a resource over: disposed of when the scope ends. Returns it. */
  use<T extends Disposable | AsyncDisposable>(resource: T): T;
  /** Runs `release` when the scope ends. */
  defer(release: () => void | Promise<void>): void;
  /** Runs `task` every `ms` milliseconds, never overlapping itself; a throw is logged and counted, and the timer goes on. */
  every(ms: number, task: () => void | Promise<void>): void;
  /** Still running, but without something: shown in state, metric, log and `/healthz` until the scope ends or what this returns is disposed of. */
  degrade(cause: RetinaError): Disposable;
}
