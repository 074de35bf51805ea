import { setTimeout as sleep } from 'node:timers/promises';
import { RetinaError, type PartialDelivery } from '@retina/sdk';
import type { PushLimits } from './limits.ts';

export type CallOutcome = 'delivered' | 'partial' | 'refused' | 'retry' | 'timeout';

/** How one call ended. `partial` only with `delivered` and `partial`; `error` with the others; `ended`: the lane closed before it. */
export type Attempt =
  | { readonly outcome: 'delivered' | 'partial'; readonly partial: PartialDelivery }
  | { readonly outcome: 'refused' | 'retry' | 'timeout'; readonly error: RetinaError }
  | { readonly outcome: 'ended' };

export interface LaneEvents {
  called(outcome: CallOutcome, seconds: number): void;
  /** The circuit opened (calls pause), or closed. */
  circuit(open: boolean): void;
  /** So many calls never came back after their time was over that the exporter has to be set up afresh. */
  stuck(error: RetinaError): void;
}

/** Calls that were given up and have not come back: more mean an exporter that ignores its signal. */
const MOST_ABANDONED = 4;
/** Longest wait between two calls once the lane is closing. */
const CLOSING_MS = 200;
/** Failures in a row after which a closing lane is at its end: nobody waits for a receiver that is not there. */
const CLOSING_FAILURES = 3;

/**
 * The way to one receiver: one call at a time, each with a deadline; after a failure a growing wait with jitter, which outlives the batch,
 * so that a dead receiver sees one call per `retryMaxMs` however much waits for it.
 */
export class Lane {
  private readonly limits: PushLimits;
  private readonly events: LaneEvents;
  private readonly ended: AbortSignal;
  private readonly closing = new AbortController();
  private failures = 0;
  private notBefore = 0;
  private open = false;
  private abandoned = 0;
  private closingFailures = 0;

  /** `ended` ends everything at once: waits and calls. */
  constructor(limits: PushLimits, ended: AbortSignal, events: LaneEvents) {
    this.limits = limits;
    this.ended = ended;
    this.events = events;
  }

  /** Milliseconds until the next call may be made. */
  get wait(): number {
    return this.ended.aborted ? 0 : Math.max(0, this.notBefore - performance.now());
  }

  /** Whether calls have failed so often in a row that they pause. */
  get broken(): boolean {
    return this.open;
  }

  /** From now on waits are short: the exporter is being stopped. */
  close(): void {
    this.closing.abort();
    this.notBefore = 0;
  }

  /** Waits until it may, calls once, and says how that ended. A call that was given up while it ran is put into `left`. */
  async attempt(call: (signal: AbortSignal) => unknown, left?: Promise<void>[]): Promise<Attempt> {
    while (this.wait > 0 && !this.ended.aborted) {
      const signal = AbortSignal.any([this.ended, this.closing.signal]);
      await sleep(this.wait, undefined, this.closing.signal.aborted ? { signal: this.ended } : { signal }).catch(
        () => undefined,
      );
    }
    if (this.ended.aborted || this.closingFailures >= CLOSING_FAILURES) return { outcome: 'ended' };
    const began = performance.now();
    const result = await this.once(call, left);
    if (result.outcome === 'ended') return result;
    this.events.called(result.outcome, (performance.now() - began) / 1000);
    this.settle(result);
    return result;
  }

  private async once(call: (signal: AbortSignal) => unknown, left: Promise<void>[] | undefined): Promise<Attempt> {
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(), this.limits.timeoutMs);
    const signal = AbortSignal.any([this.ended, time.signal]);
    const work = (async () => call(signal))();
    try {
      const partial = understood(await withSignal(work, signal));
      return { outcome: partial.refused || partial.retry?.length ? 'partial' : 'delivered', partial };
    } catch (error) {
      if (signal.aborted) this.abandon(work, left);
      if (this.ended.aborted) return { outcome: 'ended' };
      if (time.signal.aborted) return { outcome: 'timeout', error: late(this.limits.timeoutMs) };
      const known = error instanceof RetinaError ? error : undefined;
      if (known && !known.retryable) return { outcome: 'refused', error: known };
      return { outcome: 'retry', error: known ?? failed(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  private abandon(work: Promise<unknown>, left: Promise<void>[] | undefined): void {
    this.abandoned++;
    const back = () => void this.abandoned--;
    left?.push(work.then(back, back));
    if (this.abandoned > MOST_ABANDONED && !this.ended.aborted) {
      this.events.stuck(
        new RetinaError('RETINA_EXPORT_TIMEOUT', 'calls of an exporter do not come back', {
          found: `${this.abandoned} calls still running after their ${this.limits.timeoutMs} ms were over`,
          needed: 'a sink that ends its work when its signal is aborted',
          next: 'it is set up afresh; report it to the author of the exporter',
        }),
      );
    }
  }

  private settle(result: Exclude<Attempt, { outcome: 'ended' }>): void {
    const { retryMs, retryMaxMs, breakAfter } = this.limits;
    const partly = result.outcome === 'partial' && result.partial.retry?.length ? result.partial : undefined;
    if ((result.outcome === 'delivered' || result.outcome === 'partial') && !partly) {
      this.failures = this.closingFailures = 0;
      this.turn(false);
      return;
    }
    this.failures = partly ? 1 : this.failures + 1; // what took a part is alive
    const away = result.outcome === 'retry' || result.outcome === 'timeout';
    this.closingFailures = away && this.closing.signal.aborted ? this.closingFailures + 1 : 0;
    const open = this.failures >= breakAfter;
    this.turn(open);
    // What is refused for good is not tried again, so what comes next need not wait; unless everything is refused.
    if (result.outcome === 'refused' && !open) return;
    const asked = partly ? partly.retryAfterMs : 'error' in result ? result.error.retryAfterMs : undefined;
    const own = Math.min(retryMs * 2 ** Math.min(this.failures - 1, 30), retryMaxMs) * (0.5 + Math.random() / 2);
    const wait = Math.max(own, asked ?? 0);
    this.notBefore = performance.now() + (this.closing.signal.aborted ? Math.min(wait, CLOSING_MS) : wait);
  }

  private turn(open: boolean): void {
    if (this.open === open) return;
    this.open = open;
    this.events.circuit(open);
  }
}

/** What a sink returned, as far as it is what the contract says. */
function understood(value: unknown): PartialDelivery {
  return typeof value === 'object' && value !== null ? value : {};
}

function late(ms: number): RetinaError {
  return new RetinaError('RETINA_EXPORT_TIMEOUT', 'the receiver did not answer in time', {
    found: `no answer within ${ms} ms`,
    retryable: true,
  });
}

function failed(error: unknown): RetinaError {
  const found = error instanceof Error ? [error.message, causeOf(error)].filter(Boolean).join(': ') : String(error);
  return new RetinaError('RETINA_EXPORT_RETRY', 'the delivery failed', { found, retryable: true, cause: error });
}

/** fetch says "fetch failed" and why only in its cause. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : '';
}

/** `work`, or a rejection as soon as the signal says so: an exporter that ignores its signal holds nobody up. */
export async function withSignal(work: Promise<unknown> | undefined, signal: AbortSignal): Promise<unknown> {
  if (!work) return undefined;
  let abort: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]); // also when it is too late already: what `work` ends with must have a listener
  } finally {
    signal.removeEventListener('abort', abort!);
  }
}
