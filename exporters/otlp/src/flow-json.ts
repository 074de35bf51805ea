import { SeverityNumber } from '@opentelemetry/api';
import { JsonLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type FlowBatch, Verdict } from '@retina/sdk';
import { AttributeJson } from './attribute-json.ts';
import { Bodies } from './bodies.ts';
import { ByteWriter } from './byte-writer.ts';
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
import type { LogRequest, RecordOrigin } from './log-request.ts';
import type { Loss } from './loss.ts';
import { hrTime } from './points.ts';

const INFO = `"severityNumber":${SeverityNumber.INFO},"severityText":"INFO"`;
const WARN = `"severityNumber":${SeverityNumber.WARN},"severityText":"WARN"`;
const LAST = '"droppedAttributesCount":0}';

/**
 * Requests written straight from the columns of a batch in OTLP's JSON encoding, byte for byte what the SDK's serializer makes of the
 * same records. What is around the records is written once.
 */
export class JsonRequest implements LogRequest {
  private readonly out = new ByteWriter();
  private readonly attributes = new AttributeJson();
  private readonly bodies = new Bodies();
  private readonly texts: FlowTexts;
  private readonly head: string;
  private readonly tail: string;
  private observed = '';
  private some = false;

  constructor(origin: RecordOrigin, texts: FlowTexts) {
    this.texts = texts;
    [this.head, this.tail] = around(origin);
  }

  get size(): number {
    return this.out.length;
  }

  begin(now: number): void {
    this.observed = nanoseconds(now);
    this.attributes.take(); // of a record that was broken off
    this.out.length = 0;
    this.some = false;
    this.write(this.head);
  }

  loss(lost: Pick<Loss, 'total' | 'causes'>): void {
    writeLoss(this.attributes, lost);
    this.event('retina.flow.lost', WARN, `${lost.total} flow records were lost before this one`, this.observed);
  }

  record(batch: FlowBatch, row: number, by: Aggregate, totals: FlowTotals): void {
    const verdict = batch.verdict(row);
    writeIdentity(this.attributes, batch, row, by, this.texts);
    if (by === 'none') writeDetails(this.attributes, batch, row);
    writeTotals(this.attributes, totals);
    const body = `${title(batch.protocol(row), verdict)}${totals.packets} packets, ${totals.bytes} bytes`;
    this.event('retina.flow', verdict === Verdict.DROPPED ? WARN : INFO, body, nanoseconds(totals.end));
  }

  end(): Uint8Array {
    this.write(this.tail);
    return this.bodies.copy(this.out.buffer.subarray(0, this.out.length));
  }

  release(body: Uint8Array): void {
    this.bodies.release(body);
  }

  /** `body` has nothing that JSON would escape. */
  private event(name: string, severity: string, body: string, time: string): void {
    const comma = this.some ? ',' : '';
    this.some = true;
    this.write(
      `${comma}{"timeUnixNano":"${time}","observedTimeUnixNano":"${this.observed}",${severity},"body":{"stringValue":"${body}"},` +
        `"eventName":"${name}","attributes":[${this.attributes.take()}],${LAST}`,
    );
  }

  private write(text: string): void {
    const { out } = this;
    out.room(text.length * 3);
    out.length += out.buffer.write(text, out.length);
  }
}

/** Since the epoch, as JSON has 64 bits: in digits. */
function nanoseconds(ms: number): string {
  const [seconds, rest] = hrTime(ms);
  return seconds === 0 ? String(rest) : `${seconds}${String(rest).padStart(9, '0')}`;
}

/** What stands before the records of a request and behind them: cut out of what the SDK makes of one. */
function around({ resource, scope }: RecordOrigin): [head: string, tail: string] {
  const empty = { hrTime: hrTime(0), hrTimeObserved: hrTime(0), attributes: {}, droppedAttributesCount: 0 };
  const request = JsonLogsSerializer.serializeRequest([{ ...empty, resource, instrumentationScope: scope }])!;
  const text = Buffer.from(request).toString();
  const records = '"logRecords":['; // quotes inside of values are escaped
  return [text.slice(0, text.indexOf(records) + records.length), text.slice(text.lastIndexOf(LAST) + LAST.length)];
}
