import { type Attributes, SeverityNumber } from '@opentelemetry/api';
import type { JsonLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type FlowBatch, Verdict } from '@retina/sdk';
import { type AttributeWriter, address, type Key } from '../src/attribute-writer.ts';
import {
  type Aggregate,
  type FlowTexts,
  title,
  writeDetails,
  writeIdentity,
  writeLoss,
  writeTotals,
} from '../src/flow-attributes.ts';
import type { FlowTotals } from '../src/flow-totals.ts';
import type { RecordOrigin } from '../src/log-request.ts';
import { hrTime } from '../src/points.ts';

type ReadableLogRecord = Parameters<typeof JsonLogsSerializer.serializeRequest>[0][number];

/** The same records as the SDK's objects: what its serializers make of them is what ours have to make. */
export class ObjectRequest {
  records: ReadableLogRecord[] = [];
  private readonly origin: RecordOrigin;
  private readonly texts: FlowTexts;
  private now = 0;

  constructor(origin: RecordOrigin, texts: FlowTexts) {
    this.origin = origin;
    this.texts = texts;
  }

  begin(now: number): void {
    this.now = now;
    this.records = [];
  }

  loss(lost: { readonly total: number; readonly causes: Readonly<Record<string, number>> }): void {
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

class AttributeObject implements AttributeWriter {
  readonly attributes: Attributes = {};

  text({ name }: Key, value: string): void {
    this.attributes[name] = value;
  }
  number({ name }: Key, value: number): void {
    this.attributes[name] = value;
  }
  flag({ name }: Key, value: boolean): void {
    this.attributes[name] = value;
  }
  texts({ name }: Key, values: readonly string[]): void {
    this.attributes[name] = [...values];
  }
  address({ name }: Key, bytes: Uint8Array, at: number): void {
    this.attributes[name] = address(bytes, at);
  }
  recall(): boolean {
    return false;
  }
  remember(): void {}
}
