import { setImmediate as turn } from 'node:timers/promises';
import type { TokenCredential } from '@azure/core-auth';
import { isAggregateLogsUploadError, LogsIngestionClient, type LogsUploadFailure } from '@azure/monitor-ingestion';
import { type FlowBatch, type FlowPredicate, type FlowReader, type PartialDelivery, RetinaError } from '@retina/sdk';
import type { Connections } from './connections.ts';
import { failureOf } from './failures.ts';
import { type Row, rowOf } from './rows.ts';

/** Records converted in one turn of the event loop. */
const PER_TURN = 250;
/** Records of one request: well below the 1 MB that the API takes. */
const PER_REQUEST = 1000;

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
    for (let at = 0; at < rows.length; at += PER_REQUEST) {
      signal.throwIfAborted();
      const some = rows.slice(at, at + PER_REQUEST);
      const logs = await this.convert(batch, some);
      try {
        await this.upload(logs, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        const before = losses.retry.length + losses.refused;
        for (const failure of failures(error, logs)) {
          const cause = failureOf(this.options.endpoint, failure.cause, signal);
          const lost = failure.failedLogs.map((log) => some[logs.indexOf(log as Row)]!);
          losses.add(cause, lost);
          if ((failure.cause as { statusCode?: number }).statusCode === 401) this.client = undefined; // and the token it remembers
        }
        // Nothing of the first request arrived: nothing will of the others.
        const all = losses.retry.length + losses.refused - before === some.length;
        if (at === 0 && all && losses.first) throw losses.first;
        if (all && losses.retry.length > 0) return losses.result(rows.slice(at + PER_REQUEST));
      }
    }
    return losses.result([]);
  }

  private async convert(batch: FlowBatch, rows: readonly number[]): Promise<Row[]> {
    const logs: Row[] = [];
    for (const row of rows) {
      logs.push(rowOf(this.options.reader.json(batch, row), this.options.cluster));
      if (logs.length % PER_TURN === 0) await turn();
    }
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

  add(cause: unknown, rows: readonly number[]): void {
    if (!(cause instanceof RetinaError)) throw cause;
    this.first ??= cause;
    if (cause.retryable) this.retry.push(...rows);
    else this.refused += rows.length;
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
