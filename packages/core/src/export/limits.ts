import type { PushHints } from '@retina/sdk';
import type { ExportSettings } from './settings.ts';

/** How one exporter is driven. Milliseconds unless said otherwise. */
export interface PushLimits {
  /** Between two pushes of metrics. */
  readonly intervalMs: number;
  /** Most flow records in one call, and their longest wait for it to fill. */
  readonly batch: number;
  readonly waitMs: number;
  /** One call. */
  readonly timeoutMs: number;
  /** Wait after the first failed call; doubled by each that follows, up to `retryMaxMs`, with jitter. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** Time after its first call at which a batch is given up. */
  readonly giveUpMs: number;
  /** Failed calls in a row after which the circuit is open: batches wait in the queue instead of being tried. */
  readonly breakAfter: number;
  /** Bytes of flow records that may wait. */
  readonly queueBytes: number;
}

export const PUSH_LIMITS: PushLimits = {
  intervalMs: 10_000,
  batch: 1024,
  waitMs: 1000,
  timeoutMs: 10_000,
  retryMs: 500,
  retryMaxMs: 30_000,
  giveUpMs: 120_000,
  breakAfter: 5,
  queueBytes: 16 * 1024 * 1024,
};

const MOST_IN_BATCH = 65_536;

/** What the configuration says, else what the sink asks for, else the defaults. */
export function pushLimits(base: PushLimits, hints: PushHints = {}, settings: ExportSettings['push'] = {}): PushLimits {
  const hint = (value: number | undefined, least: number) =>
    value !== undefined && Number.isFinite(value) ? Math.max(least, value) : undefined;
  return {
    intervalMs: settings.interval ?? hint(hints.metricsIntervalMs, 100) ?? base.intervalMs,
    batch: Math.min(settings.batch ?? Math.trunc(hint(hints.flowBatch, 1) ?? base.batch), MOST_IN_BATCH),
    waitMs: settings.wait ?? hint(hints.flowWaitMs, 1) ?? base.waitMs,
    timeoutMs: settings.timeout ?? hint(hints.timeoutMs, 10) ?? base.timeoutMs,
    retryMs: settings.retry?.first ?? base.retryMs,
    retryMaxMs: Math.max(settings.retry?.longest ?? base.retryMaxMs, settings.retry?.first ?? base.retryMs),
    giveUpMs: settings.retry?.giveUpAfter ?? base.giveUpMs,
    breakAfter: base.breakAfter,
    queueBytes: settings.queue ?? base.queueBytes,
  };
}
