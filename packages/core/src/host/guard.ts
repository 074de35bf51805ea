import { performance } from 'node:perf_hooks';
import { RetinaError } from '@retina/sdk';
import { inNameOf, type Culprit } from './strays.ts';
import type { Limits } from './types.ts';

export interface GuardEvents {
  /** One call ended after `seconds`. */
  timed(seconds: number): void;
  /** One call threw; or (`stray`) something it had started failed and nobody caught it. */
  threw(error: unknown, stray: boolean): void;
  /** So many calls in a row threw that the component has to be set up afresh. Called once. */
  failed(cause: RetinaError): void;
  /** So many calls in a row were slow; undefined: as many quick ones followed. */
  slow(cause: RetinaError | undefined): void;
  /** A handler threw, or is no longer called: `records` were not handled. */
  lost(records: number): void;
}

/** Stands around everything a component gives the host to call: nothing it throws reaches the caller, and its time is known. */
export class Guard implements Culprit {
  private readonly limits: Limits;
  private readonly events: GuardEvents;
  private failures = 0;
  private slowCalls = 0;
  private quickCalls = 0;
  private isSlow = false;
  private tripped = false;

  constructor(limits: Limits, events: GuardEvents) {
    this.limits = limits;
    this.events = events;
  }

  /** A handler that never throws. An argument with a `length` (a batch) says how many records are lost when it fails. */
  wrap<A extends unknown[]>(handle: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      if (this.tripped) return this.events.lost(lengthOf(args[0]));
      const start = performance.now();
      try {
        // A handler may be asynchronous against its type; its rejection must not end the process.
        const result: unknown = inNameOf(this, () => handle(...args));
        if (isThenable(result)) Promise.resolve(result).catch((error: unknown) => this.throwing(error));
        else this.failures = 0;
      } catch (error) {
        this.events.lost(lengthOf(args[0]));
        this.throwing(error);
      }
      this.took(performance.now() - start);
    };
  }

  /** Runs a task, synchronous or not; resolves when it has ended, well or not. Only its synchronous part counts as time. */
  async run(task: () => void | Promise<void>): Promise<void> {
    if (this.tripped) return;
    const start = performance.now();
    try {
      const result = inNameOf(this, task);
      this.took(performance.now() - start);
      await result;
      this.failures = 0;
    } catch (error) {
      this.throwing(error);
    }
  }

  stray(error: unknown): void {
    this.throwing(error, true);
  }

  private throwing(error: unknown, stray = false): void {
    this.events.threw(error, stray);
    this.failures++;
    if (this.failures < this.limits.failures || this.tripped) return;
    this.tripped = true;
    this.events.failed(
      new RetinaError('RETINA_HANDLER_FAILED', `a handler threw ${this.failures} times in a row`, {
        found: error instanceof Error ? error.message : String(error),
        next: 'the component is set up afresh after a pause; its log has every throw',
        retryable: true,
        cause: error,
      }),
    );
  }

  private took(ms: number): void {
    this.events.timed(ms / 1000);
    if (ms > this.limits.handlerMs) {
      this.quickCalls = 0;
      this.slowCalls++;
      if (this.slowCalls >= this.limits.slow && !this.isSlow) {
        this.isSlow = true;
        this.events.slow(
          new RetinaError('RETINA_HANDLER_SLOW', `${this.slowCalls} calls in a row took longer than their budget`, {
            found: `${ms.toFixed(0)} ms`,
            needed: `at most ${this.limits.handlerMs} ms per call`,
            next: 'move work out of the handler or out of JavaScript; every other component waits for it',
          }),
        );
      }
    } else {
      this.slowCalls = 0;
      if (this.isSlow && ++this.quickCalls >= this.limits.slow) {
        this.isSlow = false;
        this.events.slow(undefined);
      }
    }
  }
}

function lengthOf(argument: unknown): number {
  const length = (argument as { length?: unknown } | undefined)?.length;
  return typeof length === 'number' ? length : 0;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}
