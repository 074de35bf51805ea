import { setImmediate as turn } from 'node:timers/promises';
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type FlowBatch, type FlowPredicate, type MetricReader, type PartialDelivery, RetinaError } from '@retina/sdk';
import { AttributeBytes } from './attribute-bytes.ts';
import type { CredentialFiles } from './credentials.ts';
import { Delivery, rejection } from './delivery.ts';
import type { FlowTexts } from './flow-attributes.ts';
import { ByteRequest } from './flow-bytes.ts';
import { type LogRequest, ObjectRequest, type RecordOrigin } from './flow-objects.ts';
import { addUp, type FlowSum, FlowTotals } from './flow-totals.ts';
import { type Loss, LossTrace } from './loss.ts';
import type { OtlpConfig } from './options.ts';
import type { Transport } from './transport.ts';

/** Most bytes and records of one request: receivers take 4 MiB by default, and what is refused is lost as a whole. */
const REQUEST_BYTES = 1024 * 1024;
const REQUEST_RECORDS = 1000;
/** Time after which writing a request gives way to the event loop, and records between two looks at the clock. */
const SLICE_MS = 4;
const RECORDS_PER_LOOK = 32;

export interface FlowPushOptions {
  readonly config: OtlpConfig;
  readonly origin: RecordOrigin;
  readonly texts: FlowTexts;
  readonly instance: string;
  readonly metrics: MetricReader;
  readonly transport: Transport;
  readonly credentials: CredentialFiles;
  readonly wanted: FlowPredicate;
}

/** What one push has to write: rows of a batch, or sums of them. */
interface Work {
  readonly batch: FlowBatch;
  /** One each, in order; of a sum its first. */
  readonly rows: readonly number[];
  readonly sums: readonly FlowSum[] | undefined;
}

/** Pushes flow records as log records: what the filter wants, added up where that is asked for, with a trace of what was lost. */
export class FlowPush {
  private readonly options: FlowPushOptions;
  private readonly request: LogRequest;
  private readonly answers: typeof ProtobufLogsSerializer;
  private readonly loss: LossTrace;
  private readonly one = new FlowTotals();
  private readonly scratch = new AttributeBytes();

  constructor(options: FlowPushOptions) {
    const { config, origin, texts } = options;
    const json = config.protocol === 'http/json';
    this.options = options;
    this.request = json ? new ObjectRequest(origin, texts) : new ByteRequest(origin, texts);
    this.answers = json ? JsonLogsSerializer : ProtobufLogsSerializer;
    this.loss = new LossTrace(options.metrics, options.instance);
  }

  async push(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | undefined> {
    const { wanted, texts, config } = this.options;
    const rows: number[] = [];
    for (let row = 0; row < batch.length; row++) if (wanted(batch, row)) rows.push(row);
    const { aggregate } = config.flows;
    const sums = aggregate === 'none' ? undefined : await addUp(batch, rows, aggregate, { texts, scratch: this.scratch, signal });
    const work: Work = { batch, rows: sums ? sums.map((sum) => sum.rows[0]!) : rows, sums };
    const delivery = new Delivery();
    for (let from = 0; from < work.rows.length; ) {
      signal.throwIfAborted();
      try {
        from = await this.send(work, from, delivery, signal);
      } catch (error) {
        if (from === 0 || !(error instanceof RetinaError) || !error.retryable) throw error;
        return this.partly(delivery, sums ? sums.slice(from).flatMap((sum) => sum.rows) : rows.slice(from), error);
      }
    }
    return delivery.result();
  }

  /** One request, from record `from` on; resolves with where the next begins. */
  private async send(work: Work, from: number, delivery: Delivery, signal: AbortSignal): Promise<number> {
    const { transport, credentials } = this.options;
    const { request } = this;
    request.begin(Date.now());
    const lost = this.loss.read();
    if (lost) request.loss(lost);
    const to = await this.write(work, from, signal);
    const flows = work.sums ? work.sums.slice(from, to).reduce((n, sum) => n + sum.rows.length, 0) : to - from;
    const current = await credentials.read();
    try {
      const answer = await transport.send('logs', request.end(), current, signal);
      const read = () => (answer.length > 0 ? this.answers.deserializeResponse(answer) : undefined);
      const { rejected, message } = rejection(read, 'rejectedLogRecords', to - from);
      // Of sums nobody says which were rejected: the share of them stands for the records in them.
      delivery.answered(Math.round((flows * rejected) / (to - from)), message);
      lost?.told();
    } catch (error) {
      request.abandon(); // who broke off may not have read all of it yet
      lost?.untold();
      delivery.failed(error, flows);
    }
    return to;
  }

  private async write({ batch, rows, sums }: Work, from: number, signal: AbortSignal): Promise<number> {
    const { request } = this;
    const { aggregate } = this.options.config.flows;
    const most = Math.min(rows.length, from + REQUEST_RECORDS);
    let until = performance.now() + SLICE_MS;
    let at = from;
    while (at < most && request.size < REQUEST_BYTES) {
      const row = rows[at]!;
      request.record(batch, row, aggregate, sums?.[at]!.totals ?? this.one.clear().add(batch, row));
      if (++at % RECORDS_PER_LOOK !== 0 || performance.now() < until) continue;
      await turn();
      signal.throwIfAborted(); // the next push writes into the same memory
      until = performance.now() + SLICE_MS;
    }
    return at;
  }

  private partly(delivery: Delivery, left: number[], error: RetinaError): PartialDelivery {
    const { retryAfterMs, found } = error;
    return {
      ...delivery.result(),
      retry: left.sort((a, b) => a - b),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(found !== undefined && { cause: found }),
    };
  }
}
