import { setImmediate as turn } from 'node:timers/promises';
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type FlowBatch, type FlowPredicate, type MetricReader, type PartialDelivery, RetinaError } from '@retina/sdk';
import { AttributeBytes } from './attribute-bytes.ts';
import type { CredentialFiles } from './credentials.ts';
import { Delivery, rejection } from './delivery.ts';
import type { FlowTexts } from './flow-attributes.ts';
import { ByteRequest } from './flow-bytes.ts';
import { JsonRequest } from './flow-json.ts';
import { addUp, type FlowSum } from './flow-sums.ts';
import { FlowTotals } from './flow-totals.ts';
import type { LogRequest, RecordOrigin } from './log-request.ts';
import { type Loss, LossTrace } from './loss.ts';
import type { OtlpConfig } from './options.ts';
import type { Transport } from './transport.ts';

/** Bytes of one request: receivers take 4 MiB by default, and each is a wait for its answer. */
const REQUEST_BYTES = 1024 * 1024;
/** Requests on their way at a time: one is written while others are compressed, sent and answered. */
const UNDERWAY = 4;
/** Time after which writing a request gives way to the event loop, and records between two looks at the clock. */
const SLICE_MS = 2;
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
  readonly rows: ArrayLike<number>;
  readonly sums: readonly FlowSum[] | undefined;
}

/** One request. */
interface Parcel {
  readonly from: number;
  readonly to: number;
  /** Flow records in it. */
  readonly flows: number;
  readonly lost: Loss | undefined;
  readonly body: Uint8Array;
}

/** Pushes flow records as log records: what the filter wants, added up where that is asked for, with a trace of what was lost. */
export class FlowPush {
  private readonly options: FlowPushOptions;
  private readonly request: LogRequest;
  private readonly answers: typeof ProtobufLogsSerializer;
  private readonly loss: LossTrace;
  private readonly one = new FlowTotals();
  private readonly scratch = new AttributeBytes();
  private rows = new Uint32Array(0);
  /** The last answer was a good one. Until then requests go alone: a receiver in trouble gets no more of it. */
  private well = false;

  constructor(options: FlowPushOptions) {
    const { config, origin, texts } = options;
    const json = config.protocol === 'http/json';
    this.options = options;
    this.request = json ? new JsonRequest(origin, texts) : new ByteRequest(origin, texts);
    this.answers = json ? JsonLogsSerializer : ProtobufLogsSerializer;
    this.loss = new LossTrace(options.metrics, options.instance);
  }

  async push(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | undefined> {
    const { texts, config } = this.options;
    const rows = this.select(batch);
    const { aggregate } = config.flows;
    const sums =
      aggregate === 'none' ? undefined : await addUp(batch, rows, aggregate, { texts, scratch: this.scratch, signal });
    const work: Work = { batch, rows: sums ? sums.map((sum) => sum.rows[0]!) : rows, sums };
    const delivery = new Delivery();
    const underway = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    const left: number[] = [];
    let from = 0;
    while (from < work.rows.length && !failure) {
      const parcel = await this.pack(work, from, signal);
      from = parcel.to;
      const going: Promise<void> = this.send(parcel, delivery, signal)
        .catch((error: unknown) => {
          failure ??= { error };
          left.push(...rowsOf(work, parcel.from, parcel.to));
        })
        .finally(() => underway.delete(going));
      underway.add(going);
      if (underway.size >= (this.well ? UNDERWAY : 1)) await Promise.race(underway);
    }
    await Promise.all(underway);
    if (!failure) return delivery.result();
    const { error } = failure;
    if (!delivery.some || !(error instanceof RetinaError) || !error.retryable) throw error;
    return partly(delivery, [...left, ...rowsOf(work, from, work.rows.length)], error);
  }

  /** Rows that are wanted. In the same memory each time: it outlives what is young, and would be collected as what is old. */
  private select(batch: FlowBatch): Uint32Array {
    const { wanted } = this.options;
    if (this.rows.length < batch.length) this.rows = new Uint32Array(batch.length);
    let length = 0;
    for (let row = 0; row < batch.length; row++) if (wanted(batch, row)) this.rows[length++] = row;
    return this.rows.subarray(0, length);
  }

  /** Writes one request, from record `from` on. */
  private async pack(work: Work, from: number, signal: AbortSignal): Promise<Parcel> {
    const { request } = this;
    signal.throwIfAborted();
    request.begin(Date.now());
    const lost = this.loss.read();
    if (lost) request.loss(lost);
    const to = await this.write(work, from, signal);
    await turn(); // what is put together is copied
    signal.throwIfAborted();
    return { from, to, flows: flowsIn(work, from, to), lost, body: request.end() };
  }

  private async send({ from, to, flows, lost, body }: Parcel, delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { transport, credentials } = this.options;
    try {
      const answer = await transport.send('logs', body, await credentials.read(), signal);
      const read = () => (answer.length > 0 ? this.answers.deserializeResponse(answer) : undefined);
      const { rejected, message } = rejection(read, 'rejectedLogRecords', to - from);
      // Of sums nobody says which were rejected: the share of them stands for the records in them.
      delivery.answered(Math.round((flows * rejected) / (to - from)), message);
      lost?.told();
      this.well = true;
      this.request.release(body); // who broke off may still read it
    } catch (error) {
      lost?.untold();
      this.well = false;
      delivery.failed(error, flows);
    }
  }

  private async write({ batch, rows, sums }: Work, from: number, signal: AbortSignal): Promise<number> {
    const { request } = this;
    const { aggregate } = this.options.config.flows;
    let until = performance.now() + SLICE_MS;
    let at = from;
    while (at < rows.length && request.size < REQUEST_BYTES) {
      const row = rows[at]!;
      request.record(batch, row, aggregate, sums?.[at]!.totals ?? this.one.clear().add(batch, row));
      if (++at % RECORDS_PER_LOOK !== 0 || performance.now() < until) continue;
      await turn();
      signal.throwIfAborted(); // the next push writes into the same memory
      until = performance.now() + SLICE_MS;
    }
    return at;
  }
}

/** Rows of the batch that records from one to another stand for. */
function rowsOf({ rows, sums }: Work, from: number, to: number): readonly number[] {
  if (sums) return sums.slice(from, to).flatMap((sum) => sum.rows);
  return Array.from({ length: to - from }, (_, i) => rows[from + i]!);
}

/** How many those are. */
function flowsIn({ sums }: Work, from: number, to: number): number {
  return sums ? sums.slice(from, to).reduce((all, sum) => all + sum.rows.length, 0) : to - from;
}

function partly(delivery: Delivery, left: number[], { retryAfterMs, found }: RetinaError): PartialDelivery {
  return {
    ...delivery.result(),
    retry: left.sort((a, b) => a - b),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(found !== undefined && { cause: found }),
  };
}
