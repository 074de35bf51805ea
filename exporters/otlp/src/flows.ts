import { setImmediate as turn } from 'node:timers/promises';
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type FlowBatch, type FlowPredicate, type MetricReader, type PartialDelivery, RetinaError } from '@retina/sdk';
import type { CredentialFiles } from './credentials.ts';
import { Delivery, rejection } from './delivery.ts';
import type { FlowTexts } from './flow-attributes.ts';
import { addUp, type FlowSum, lossRecord, logRecord, type RecordOrigin, singly } from './flow-records.ts';
import { LossTrace } from './loss.ts';
import type { OtlpConfig } from './options.ts';
import type { Transport } from './transport.ts';

/** Most records of one request; making them is one turn of the event loop, writing them another. */
const RECORDS = 200;

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

/** Pushes flow records as log records: what the filter wants, added up where that is asked for, with a trace of what was lost. */
export class FlowPush {
  private readonly options: FlowPushOptions;
  private readonly serializer: typeof ProtobufLogsSerializer;
  private readonly loss: LossTrace;

  constructor(options: FlowPushOptions) {
    this.options = options;
    this.serializer = options.config.protocol === 'http/json' ? JsonLogsSerializer : ProtobufLogsSerializer;
    this.loss = new LossTrace(options.metrics, options.instance);
  }

  async push(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | undefined> {
    const { wanted, texts, config } = this.options;
    const rows: number[] = [];
    for (let row = 0; row < batch.length; row++) if (wanted(batch, row)) rows.push(row);
    const delivery = new Delivery();
    const groups: FlowSum[][] = [];
    const { aggregate } = config.flows;
    if (aggregate !== 'none') {
      const sums = await addUp(batch, rows, aggregate, texts);
      for (let at = 0; at < sums.length; at += RECORDS) groups.push(sums.slice(at, at + RECORDS));
    }
    const requests = aggregate === 'none' ? Math.ceil(rows.length / RECORDS) : groups.length;
    for (let i = 0; i < requests; i++) {
      signal.throwIfAborted();
      const sums = groups[i] ?? singly(batch, rows.slice(i * RECORDS, (i + 1) * RECORDS), texts);
      try {
        await this.send(sums, delivery, signal);
      } catch (error) {
        if (i === 0 || !(error instanceof RetinaError) || !error.retryable) throw error;
        const left =
          aggregate === 'none'
            ? rows.slice(i * RECORDS)
            : groups
                .slice(i)
                .flat()
                .flatMap((sum) => sum.rows);
        return this.partly(delivery, left, error);
      }
      await turn();
    }
    return delivery.result();
  }

  private async send(sums: readonly FlowSum[], delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { origin, transport, credentials } = this.options;
    const now = Date.now();
    const records = sums.map((sum) => logRecord(sum, origin, now));
    const lost = this.loss.read();
    if (lost) records.unshift(lossRecord(lost.total, lost.causes, origin, now));
    const flows = sums.reduce((n, sum) => n + sum.rows.length, 0);
    await turn(); // writing them takes as long as making them
    const current = await credentials.read();
    try {
      const answer = await transport.send('logs', this.serializer.serializeRequest(records)!, current, signal);
      const read = () => (answer.length > 0 ? this.serializer.deserializeResponse(answer) : undefined);
      const { rejected, message } = rejection(read, 'rejectedLogRecords', sums.length);
      // Of sums nobody says which were rejected: the share of them stands for the records in them.
      delivery.answered(Math.round((flows * rejected) / Math.max(1, sums.length)), message);
      lost?.told();
    } catch (error) {
      lost?.untold();
      delivery.failed(error, flows);
    }
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
