import { setTimeout as sleep } from 'node:timers/promises';
import { RetinaError, type FlowBatch, type Logger, type MetricReader, type Sink } from '@retina/sdk';
import { FlowQueue } from './flow-queue.ts';

export interface PushLimits {
  /** Between two pushes of metrics. */
  readonly intervalMs: number;
  /** Longest wait of a flow record for its batch to fill. */
  readonly batchMs: number;
  /** One attempt to deliver. */
  readonly timeoutMs: number;
  /** Attempts for one batch of flows or one push of metrics. */
  readonly attempts: number;
  /** Wait after the first failed attempt; doubled each time, with jitter. */
  readonly retryMs: number;
  /** Flow records that may wait. */
  readonly queue: number;
}

export const PUSH_LIMITS: Omit<PushLimits, 'intervalMs'> = {
  batchMs: 1000,
  timeoutMs: 10_000,
  attempts: 5,
  retryMs: 500,
  queue: 32_768,
};

export interface PushEvents {
  /** Flow records that found no room in the queue, or were given up. */
  lost(stage: 'export_queue' | 'export', records: number): void;
  /** Delivery fails (and why), or works again. */
  state(cause: RetinaError | undefined): void;
}

/** Drives a push exporter's sink: interval, queue, batches, timeout, retry with jitter, and counts of what was lost. */
export class PushDriver {
  private readonly sink: Sink;
  private readonly limits: PushLimits;
  private readonly events: PushEvents;
  private readonly log: Logger;
  private readonly reader: MetricReader;
  private readonly queue: FlowQueue;
  private readonly stopping = new AbortController();
  private readonly timers: NodeJS.Timeout[] = [];
  private pushing: Promise<unknown> | undefined;
  private draining: Promise<unknown> | undefined;

  constructor(sink: Sink, reader: MetricReader, limits: PushLimits, log: Logger, events: PushEvents) {
    this.sink = sink;
    this.reader = reader;
    this.limits = limits;
    this.log = log;
    this.events = events;
    this.queue = new FlowQueue(limits.queue);
    if (sink.metrics) this.timers.push(setInterval(() => this.push(), limits.intervalMs));
    if (sink.flows) this.timers.push(setInterval(() => this.drain(), limits.batchMs));
  }

  /** Takes a borrowed batch. */
  flows(batch: FlowBatch): void {
    if (!this.sink.flows) return;
    const lost = this.queue.push(batch);
    if (lost > 0) this.events.lost('export_queue', lost);
    if (this.queue.length >= this.limits.queue / 2) this.drain();
  }

  /** Delivers what waits and the last state of the metrics, as far as `ms` milliseconds allow. */
  async stop(ms: number): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    const deadline = AbortSignal.timeout(Math.max(1, ms));
    deadline.addEventListener('abort', () => this.stopping.abort(), { once: true });
    this.drain();
    await Promise.all([this.pushing, this.draining]);
    this.push();
    await this.pushing;
    const left = this.queue.length;
    if (left > 0) this.events.lost('export', left);
    try {
      await withSignal(this.sink.flush?.(this.stopping.signal), this.stopping.signal);
    } catch (error) {
      this.log.warn('an exporter could not flush', { error: String(error) });
    }
  }

  private push(): void {
    if (!this.sink.metrics || this.stopping.signal.aborted) return;
    this.pushing ??= this.deliver((signal) => this.sink.metrics!(this.reader, signal)).finally(
      () => (this.pushing = undefined),
    );
  }

  private drain(): void {
    this.draining ??= this.drainAll().finally(() => (this.draining = undefined));
  }

  private async drainAll(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const batch = this.queue.take();
      if (!batch) return;
      const delivered = await this.deliver(async (signal) => this.sink.flows!(batch, signal));
      // One that did not deliver in time may still be reading the batch: its memory is not used again.
      if (delivered) this.queue.recycle(batch);
      else this.events.lost('export', batch.length);
    }
  }

  /** False when every attempt failed, the last one being told to the host. */
  private async deliver(attempt: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    for (let n = 1; ; n++) {
      const signal = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(this.limits.timeoutMs)]);
      try {
        await withSignal(attempt(signal), signal);
        this.events.state(undefined);
        return true;
      } catch (error) {
        const final = error instanceof RetinaError && !error.retryable;
        if (final || n >= this.limits.attempts || this.stopping.signal.aborted) {
          this.events.state(
            new RetinaError(
              'RETINA_EXPORT_FAILED',
              `an exporter could not deliver in ${n} ${n === 1 ? 'attempt' : 'attempts'}`,
              {
                found: error instanceof Error ? error.message : String(error),
                next: 'what is lost is counted in retina_lost_records_total; it goes on trying with what comes',
                retryable: true,
                cause: error,
              },
            ),
          );
          return false;
        }
      }
      const wait = this.limits.retryMs * 2 ** (n - 1) * (0.5 + Math.random());
      await sleep(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }
}

/** `work`, or a rejection as soon as the signal says so: an exporter that ignores its signal holds nobody up. */
async function withSignal(work: Promise<unknown> | undefined, signal: AbortSignal): Promise<void> {
  if (!work) return;
  let abort: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([work, aborted]); // also when it is too late already: what `work` ends with must have a listener
  } finally {
    signal.removeEventListener('abort', abort!);
  }
}
