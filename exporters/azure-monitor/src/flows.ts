import { setImmediate as turn } from 'node:timers/promises';
import type { TokenCredential } from '@azure/core-auth';
import { isAggregateLogsUploadError, LogsIngestionClient, type LogsUploadFailure } from '@azure/monitor-ingestion';
import { type FlowBatch, type FlowPredicate, type FlowReader, type PartialDelivery, RetinaError } from '@retina/sdk';
import type { Connections } from './connections.ts';
import { failureOf } from './failures.ts';
import { type Row, rowOf } from './rows.ts';

/** Time after which converting records gives way to the event loop, and records between two looks at the clock. */
const SLICE_MS = 3;
const PER_LOOK = 16;
/** Records of one request: well below the 1 MB that the API takes. The library writes them in one turn of the event loop, twice. */
const PER_REQUEST = 300;
/** Requests on their way at a time: each is a wait for its answer. */
const UNDERWAY = 3;

export interface FlowOptions {
  readonly endpoint: string;
  readonly ruleId: string;
  readonly stream: string;
  readonly audience: string;
  readonly credential: () => Promise<TokenCredential | undefined>;
  readonly connections: Connections;
  readonly timeoutMs: number;
  readonly cluster: string | undefined;
  readonly reader: Pick<FlowReader, 'json'>;
  readonly wanted: FlowPredicate;
}

/** Sends flow records to a custom table of Log Analytics by the Logs Ingestion API. */
export class FlowPush {
  private readonly options: FlowOptions;
  private client: LogsIngestionClient | undefined;

  constructor(options: FlowOptions) {
    this.options = options;
  }

  async push(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | undefined> {
    const rows: number[] = [];
    for (let row = 0; row < batch.length; row++) if (this.options.wanted(batch, row)) rows.push(row);
    const losses = new Losses();
    const underway = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    let next = 0;
    while (next < rows.length && !failure && !losses.ended) {
      signal.throwIfAborted();
      const some = rows.slice(next, next + PER_REQUEST);
      next += some.length;
      const logs = await this.convert(batch, some, signal);
      const going: Promise<void> = this.send(logs, some, losses, signal)
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => underway.delete(going));
      underway.add(going);
      // The first goes alone: where nothing of it arrives, nothing will of the others.
      if (next === some.length || underway.size >= UNDERWAY) await Promise.race(underway);
    }
    await Promise.all(underway);
    if (failure) throw failure.error;
    if (losses.ended && losses.nothingArrived) throw losses.first!;
    return losses.result(rows.slice(next));
  }

  private async send(logs: Row[], rows: readonly number[], losses: Losses, signal: AbortSignal): Promise<void> {
    try {
      await this.upload(logs, signal);
      losses.nothingArrived = false;
    } catch (error) {
      if (signal.aborted) throw error;
      let [retry, refused] = [0, 0];
      for (const failure of failures(error, logs)) {
        const cause = failureOf(this.options.endpoint, failure.cause, signal);
        const lost = failure.failedLogs.map((log) => rows[logs.indexOf(log as Row)]!);
        if (losses.add(cause, lost)) retry += lost.length;
        else refused += lost.length;
        if ((failure.cause as { statusCode?: number }).statusCode === 401) this.client = undefined; // and the token it remembers
      }
      const all = retry + refused === rows.length;
      if (!all) losses.nothingArrived = false;
      else if (retry > 0 || losses.nothingArrived) losses.ended = true;
    }
  }

  private async convert(batch: FlowBatch, rows: readonly number[], signal: AbortSignal): Promise<Row[]> {
    const logs: Row[] = [];
    let until = performance.now() + SLICE_MS;
    for (const row of rows) {
      logs.push(rowOf(this.options.reader.json(batch, row), this.options.cluster));
      if (logs.length % PER_LOOK !== 0 || performance.now() < until) continue;
      await turn();
      signal.throwIfAborted();
      until = performance.now() + SLICE_MS;
    }
    await turn(); // the library has its own to do with them
    return logs;
  }

  private async upload(logs: Row[], signal: AbortSignal): Promise<void> {
    const { ruleId, stream, timeoutMs } = this.options;
    this.client ??= await this.connect();
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(), timeoutMs);
    const abortSignal = AbortSignal.any([signal, time.signal]);
    try {
      await this.client.upload(ruleId, stream, logs, { abortSignal, maxConcurrency: 1 });
    } finally {
      clearTimeout(timer);
    }
  }

  private async connect(): Promise<LogsIngestionClient> {
    const { endpoint, credential, audience, connections } = this.options;
    return new LogsIngestionClient(endpoint, (await credential())!, {
      audience,
      retryOptions: { maxRetries: 0 }, // the host repeats, and knows what waits behind
      userAgentOptions: { userAgentPrefix: 'retina' },
      additionalPolicies: [{ policy: connections.policy, position: 'perRetry' }],
    });
  }
}

/** What the library says failed; the whole request if it does not say. */
function failures(error: unknown, logs: readonly Row[]): readonly LogsUploadFailure[] {
  if (isAggregateLogsUploadError(error)) return error.errors;
  return [{ cause: error as Error, failedLogs: [...logs] as Record<string, unknown>[] }];
}

class Losses {
  refused = 0;
  readonly retry: number[] = [];
  first: RetinaError | undefined;
  /** Of what was tried so far. */
  nothingArrived = true;
  /** What was not tried yet need not be. */
  ended = false;

  /** Whether they are to be sent again. */
  add(cause: unknown, rows: readonly number[]): boolean {
    if (!(cause instanceof RetinaError)) throw cause;
    this.first ??= cause;
    if (cause.retryable) this.retry.push(...rows);
    else this.refused += rows.length;
    return cause.retryable;
  }

  /** `unsent` rows were not tried. */
  result(unsent: readonly number[]): PartialDelivery | undefined {
    if (!this.first) return undefined;
    const { retryAfterMs, found } = this.first;
    return {
      refused: this.refused,
      retry: [...this.retry, ...unsent].sort((a, b) => a - b),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(found !== undefined && { cause: found }),
    };
  }
}
