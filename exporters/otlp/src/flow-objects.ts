import { type Attributes, SeverityNumber } from '@opentelemetry/api';
import { JsonLogsSerializer } from '@opentelemetry/otlp-transformer';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { type FlowBatch, Verdict } from '@retina/sdk';
import { AttributeObject } from './attribute-writer.ts';
import {
  type Aggregate,
  type FlowTexts,
  title,
  writeDetails,
  writeIdentity,
  writeLoss,
  writeTotals,
} from './flow-attributes.ts';
import type { FlowTotals } from './flow-totals.ts';
import type { Loss } from './loss.ts';
import { hrTime } from './points.ts';

export interface RecordOrigin {
  readonly resource: Resource;
  readonly scope: { readonly name: string; readonly version: string };
}

/** Makes the body of a request, record by record. */
export interface LogRequest {
  begin(now: number): void;
  /** Says in the log itself that records are missing from it. */
  loss(lost: Pick<Loss, 'total' | 'causes'>): void;
  /** A log record of the event `retina.flow`: its time is the last packet's. */
  record(batch: FlowBatch, row: number, by: Aggregate, totals: FlowTotals): void;
  /** Bytes so far, about. */
  readonly size: number;
  end(): Uint8Array;
  /** What `end` gave is read by nobody any more. */
  release(body: Uint8Array): void;
}

/** Requests by the SDK's objects: for JSON. */
export class ObjectRequest implements LogRequest {
  records: ReadableLogRecord[] = [];
  private readonly origin: RecordOrigin;
  private readonly texts: FlowTexts;
  private now = 0;

  constructor(origin: RecordOrigin, texts: FlowTexts) {
    this.origin = origin;
    this.texts = texts;
  }

  /** Two hundred to a request of a mebibyte: they are written in one turn of the event loop. */
  get size(): number {
    return this.records.length * 5243;
  }

  begin(now: number): void {
    this.now = now;
    this.records = [];
  }

  loss(lost: Pick<Loss, 'total' | 'causes'>): void {
    const out = new AttributeObject();
    writeLoss(out, lost);
    const body = `${lost.total} flow records were lost before this one`;
    this.event('retina.flow.lost', true, body, this.now, out.attributes);
  }

  record(batch: FlowBatch, row: number, by: Aggregate, totals: FlowTotals): void {
    const out = new AttributeObject();
    writeIdentity(out, batch, row, by, this.texts);
    if (by === 'none') writeDetails(out, batch, row);
    writeTotals(out, totals);
    const verdict = batch.verdict(row);
    const body = `${title(batch.protocol(row), verdict)}${totals.packets} packets, ${totals.bytes} bytes`;
    this.event('retina.flow', verdict === Verdict.DROPPED, body, totals.end, out.attributes);
  }

  end(): Uint8Array {
    return JsonLogsSerializer.serializeRequest(this.records)!;
  }

  release(): void {}

  private event(eventName: string, warn: boolean, body: string, time: number, attributes: Attributes): void {
    this.records.push({
      eventName,
      severityText: warn ? 'WARN' : 'INFO',
      severityNumber: warn ? SeverityNumber.WARN : SeverityNumber.INFO,
      body,
      hrTime: hrTime(time),
      hrTimeObserved: hrTime(this.now),
      resource: this.origin.resource,
      instrumentationScope: this.origin.scope,
      attributes,
      droppedAttributesCount: 0,
    });
  }
}
