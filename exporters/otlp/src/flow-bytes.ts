import { ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { SeverityNumber } from '@opentelemetry/api';
import { type FlowBatch, Verdict } from '@retina/sdk';
import { AttributeBytes } from './attribute-bytes.ts';
import { Bodies } from './bodies.ts';
import { varintSize } from './byte-writer.ts';
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

const message = (field: number): number => (field << 3) | 2;
/** Room before the records for lengths and tags of what is around them. */
const FRAME = 32;

const severity = (number: number, text: string): Uint8Array =>
  Uint8Array.of((2 << 3) | 0, number, message(3), text.length, ...Buffer.from(text));
const INFO = severity(SeverityNumber.INFO, 'INFO');
const WARN = severity(SeverityNumber.WARN, 'WARN');
/** dropped_attributes_count: 0, as the SDK writes it. */
const NONE_DROPPED = Uint8Array.of(7 << 3, 0);
const eventName = (name: string): Uint8Array => Uint8Array.of(message(12), name.length, ...Buffer.from(name));
const FLOW = eventName('retina.flow');
const LOST = eventName('retina.flow.lost');

/**
 * Requests written straight from the columns of a batch as protocol buffers (ExportLogsServiceRequest), byte for byte what the SDK's
 * serializer makes of the same records. Resource and scope are encoded once.
 */
export class ByteRequest implements LogRequest {
  private readonly out = new AttributeBytes();
  private readonly texts: FlowTexts;
  private readonly resource: Uint8Array;
  private readonly scope: Uint8Array;
  private readonly bodies = new Bodies();
  private readonly titles = new Map<number, Uint8Array>();
  private seconds = 0;
  private nanoseconds = 0;

  constructor(origin: RecordOrigin, texts: FlowTexts) {
    this.texts = texts;
    [this.resource, this.scope] = encoded(origin);
  }

  get size(): number {
    return this.out.length;
  }

  begin(now: number): void {
    [this.seconds, this.nanoseconds] = hrTime(now);
    this.out.length = FRAME + this.resource.length + this.scope.length;
    this.out.room(0);
  }

  loss(lost: Pick<Loss, 'total' | 'causes'>): void {
    const { out } = this;
    const start = this.open(this.seconds, this.nanoseconds, WARN);
    const body = this.openBody();
    out.digits(lost.total);
    const text = ' flow records were lost before this one';
    out.utf8(text, text.length);
    this.closeBody(body);
    writeLoss(out, lost);
    this.close(start, LOST);
  }

  record(batch: FlowBatch, row: number, by: Aggregate, totals: FlowTotals): void {
    const { out } = this;
    const verdict = batch.verdict(row);
    const [seconds, nanoseconds] = hrTime(totals.end);
    const start = this.open(seconds, nanoseconds, verdict === Verdict.DROPPED ? WARN : INFO);
    const body = this.openBody();
    out.bytes(this.titleOf(batch.protocol(row), verdict));
    out.digits(totals.packets);
    out.utf8(' packets, ', 10);
    out.digits(totals.bytes);
    out.utf8(' bytes', 6);
    this.closeBody(body);
    writeIdentity(out, batch, row, by, this.texts);
    if (by === 'none') writeDetails(out, batch, row);
    writeTotals(out, totals);
    this.close(start, FLOW);
  }

  end(): Uint8Array {
    const { out } = this;
    const records = out.length;
    // Backwards: a length is known when what it measures stands.
    let at = FRAME + this.resource.length;
    out.buffer.set(this.scope, at);
    at = this.before(at, 2, records - at);
    at -= this.resource.length;
    out.buffer.set(this.resource, at);
    at = this.before(at, 1, records - at);
    return this.bodies.copy(out.buffer.subarray(at, records));
  }

  release(body: Uint8Array): void {
    this.bodies.release(body);
  }

  /** Begins a LogRecord; two bytes are left for its length. */
  private open(seconds: number, nanoseconds: number, level: Uint8Array): number {
    const { out } = this;
    out.room(256); // as far as its text goes
    out.buffer[out.length++] = message(2);
    const start = (out.length += 2);
    out.buffer[out.length++] = (1 << 3) | 1;
    out.nanoseconds(seconds, nanoseconds);
    out.bytes(level);
    return start;
  }

  private close(start: number, name: Uint8Array): void {
    const { out } = this;
    out.room(64);
    out.bytes(NONE_DROPPED);
    out.buffer[out.length++] = (11 << 3) | 1;
    out.nanoseconds(this.seconds, this.nanoseconds);
    out.bytes(name);
    const size = out.length - start;
    const shift = varintSize(size) - 2;
    if (shift !== 0) {
      out.room(4);
      out.buffer.copyWithin(start + shift, start, out.length);
    }
    out.length = start - 2;
    out.varint(size);
    out.length += size;
  }

  /** Begins the text: an AnyValue with a string of less than 126 bytes. */
  private openBody(): number {
    const { out } = this;
    out.buffer[out.length] = message(5);
    out.buffer[out.length + 2] = message(1);
    return (out.length += 4);
  }

  private closeBody(start: number): void {
    const { buffer, length } = this.out;
    buffer[start - 3] = length - start + 2;
    buffer[start - 1] = length - start;
  }

  private titleOf(protocol: number, verdict: number): Uint8Array {
    const id = protocol * 256 + verdict;
    let known = this.titles.get(id);
    if (!known) this.titles.set(id, (known = Buffer.from(title(protocol, verdict))));
    return known;
  }

  /** Writes tag and length of a message of so many bytes before `at`; returns where that begins. */
  private before(at: number, field: number, size: number): number {
    const begin = at - varintSize(size) - 1;
    const { out } = this;
    const { length } = out;
    out.length = begin;
    out.buffer[out.length++] = message(field);
    out.varint(size);
    out.length = length;
    return begin;
  }
}

/** The fields `resource` of ResourceLogs and `scope` of ScopeLogs, with tag and length: cut out of what the SDK makes of one record. */
function encoded({ resource, scope }: RecordOrigin): [Uint8Array, Uint8Array] {
  const empty = { hrTime: hrTime(0), hrTimeObserved: hrTime(0), attributes: {}, droppedAttributesCount: 0 };
  const request = ProtobufLogsSerializer.serializeRequest([{ ...empty, resource, instrumentationScope: scope }])!;
  const logs = fieldAt(request, 0);
  const first = fieldAt(request, logs.content);
  const second = fieldAt(request, first.end);
  const inner = fieldAt(request, second.content);
  return [request.slice(logs.content, first.end), request.slice(second.content, inner.end)];
}

/** Where the content of a length-delimited field begins, and where it ends. */
function fieldAt(bytes: Uint8Array, at: number): { content: number; end: number } {
  let size = 0;
  let content = at + 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[content++]!;
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) return { content, end: content + size };
  }
}
