import { SeverityNumber } from '@opentelemetry/api';
import { JsonLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type FlowBatch, Verdict } from '@retina/sdk';
import { AttributeJson } from './attribute-json.ts';
import { Bodies } from './bodies.ts';
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

const LAST = '"droppedAttributesCount":0}';

/** Between the two times of a record, and behind them as far as its text. */
const OBSERVED = Buffer.from('","observedTimeUnixNano":"');
const level = (number: number, text: string) => Buffer.from(`","severityNumber":${number},"severityText":"${text}","body":{"stringValue":"`); // prettier-ignore
const INFO = level(SeverityNumber.INFO, 'INFO');
const WARN = level(SeverityNumber.WARN, 'WARN');
const BEGIN = Buffer.from(',{"timeUnixNano":"');
/** Behind its text, as far as the bracket before its attributes. */
const eventName = (name: string) => Buffer.from(`"},"eventName":"${name}","attributes":`);
const FLOW = eventName('retina.flow');
const LOST = eventName('retina.flow.lost');
const END = Buffer.from(`],${LAST}`);
const [BRACKET] = Buffer.from('[');

/**
 * Requests written straight from the columns of a batch in OTLP's JSON encoding, byte for byte what the SDK's serializer makes of the
 * same records. What is around the records is written once.
 */
export class JsonRequest implements LogRequest {
  private readonly out = new AttributeJson();
  private readonly bodies = new Bodies();
  private readonly texts: FlowTexts;
  private readonly head: Uint8Array;
  private readonly tail: Uint8Array;
  private now = 0;
  private some = false;

  constructor(origin: RecordOrigin, texts: FlowTexts) {
    this.texts = texts;
    [this.head, this.tail] = around(origin);
  }

  get size(): number {
    return this.out.length;
  }

  begin(now: number): void {
    this.now = now;
    this.out.length = 0;
    this.some = false;
    this.out.bytes(this.head);
  }

  loss(lost: Pick<Loss, 'total' | 'causes'>): void {
    const { out } = this;
    this.open(this.now, WARN);
    out.digits(lost.total);
    out.ascii(' flow records were lost before this one');
    const first = this.list(LOST);
    writeLoss(out, lost);
    this.close(first);
  }

  record(batch: FlowBatch, row: number, by: Aggregate, totals: FlowTotals): void {
    const { out } = this;
    const verdict = batch.verdict(row);
    this.open(totals.end, verdict === Verdict.DROPPED ? WARN : INFO);
    out.ascii(title(batch.protocol(row), verdict));
    out.digits(totals.packets);
    out.ascii(' packets, ');
    out.digits(totals.bytes);
    out.ascii(' bytes');
    const first = this.list(FLOW);
    writeIdentity(out, batch, row, by, this.texts);
    if (by === 'none') writeDetails(out, batch, row);
    writeTotals(out, totals);
    this.close(first);
  }

  end(): Uint8Array {
    const { out } = this;
    out.bytes(this.tail);
    return this.bodies.copy(out.buffer.subarray(0, out.length));
  }

  release(body: Uint8Array): void {
    this.bodies.release(body);
  }

  /** Begins a record, as far as its text, which has nothing that JSON would escape. */
  private open(time: number, severity: Uint8Array): void {
    const { out } = this;
    out.room(512);
    out.bytes(this.some ? BEGIN : BEGIN.subarray(1));
    this.some = true;
    this.nanoseconds(time);
    out.bytes(OBSERVED);
    this.nanoseconds(this.now);
    out.bytes(severity);
  }

  /** Goes on to its attributes; returns where they begin. */
  private list(name: Uint8Array): number {
    this.out.bytes(name);
    return this.out.length;
  }

  /** Ends it: the comma before the first of its attributes becomes the bracket. */
  private close(first: number): void {
    const { out } = this;
    out.room(1);
    if (out.length === first) out.length++;
    out.buffer[first] = BRACKET!;
    out.bytes(END);
  }

  /** Since the epoch, as JSON has 64 bits: in digits. */
  private nanoseconds(ms: number): void {
    const [seconds, rest] = hrTime(ms);
    if (seconds === 0) return this.out.digits(rest);
    this.out.digits(seconds);
    this.out.padded(rest, 9);
  }
}

/** What stands before the records of a request and behind them: cut out of what the SDK makes of one. */
function around({ resource, scope }: RecordOrigin): [head: Uint8Array, tail: Uint8Array] {
  const empty = { hrTime: hrTime(0), hrTimeObserved: hrTime(0), attributes: {}, droppedAttributesCount: 0 };
  const request = JsonLogsSerializer.serializeRequest([{ ...empty, resource, instrumentationScope: scope }])!;
  const text = Buffer.from(request).toString();
  const records = '"logRecords":['; // quotes inside of values are escaped
  const head = text.slice(0, text.indexOf(records) + records.length);
  return [Buffer.from(head), Buffer.from(text.slice(text.lastIndexOf(LAST) + LAST.length))];
}
