import { setImmediate as turn } from 'node:timers/promises';
import { type Attributes, SeverityNumber } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { type FlowBatch, TCP_FLAGS, Verdict } from '@retina/sdk';
import {
  connectionAttributes,
  detailAttributes,
  type FlowTexts,
  transportText,
  verdictText,
  workloadAttributes,
} from './flow-attributes.ts';
import { hrTime } from './points.ts';

/** Records that say the same, added up; or one alone. */
export interface FlowSum {
  /** Whose sum this is, ascending. */
  readonly rows: number[];
  readonly attributes: Attributes;
  readonly title: string;
  readonly dropped: boolean;
  start: number;
  end: number;
  bytes: number;
  packets: number;
  retransmits: number;
  rttMicros: number;
  readonly flags: number[];
}

export interface RecordOrigin {
  readonly resource: Resource;
  readonly scope: { readonly name: string; readonly version: string };
}

/** Rows that are added up between two turns of the event loop. */
const ROWS_PER_TURN = 1000;

/** Each row as a sum of its own, with its details. */
export function singly(batch: FlowBatch, rows: readonly number[], texts: FlowTexts): FlowSum[] {
  return rows.map((row) => {
    const sum = begin(batch, row, connectionAttributes(batch, row, texts));
    detailAttributes(sum.attributes, batch, row);
    add(sum, batch, row);
    return sum;
  });
}

/** Adds up rows by what they are about. */
export async function addUp(
  batch: FlowBatch,
  rows: readonly number[],
  by: 'connection' | 'workload',
  texts: FlowTexts,
): Promise<FlowSum[]> {
  const attributesOf = by === 'connection' ? connectionAttributes : workloadAttributes;
  const sums = new Map<string, FlowSum>();
  for (const [i, row] of rows.entries()) {
    const attributes = attributesOf(batch, row, texts);
    const key = JSON.stringify(attributes);
    let sum = sums.get(key);
    if (!sum) sums.set(key, (sum = begin(batch, row, attributes)));
    add(sum, batch, row);
    if (i % ROWS_PER_TURN === ROWS_PER_TURN - 1) await turn();
  }
  return [...sums.values()];
}

function begin(batch: FlowBatch, row: number, attributes: Attributes): FlowSum {
  return {
    rows: [],
    attributes,
    title: `${transportText(batch.protocol(row))} ${verdictText(batch, row)}`,
    dropped: batch.verdict(row) === Verdict.DROPPED,
    start: Infinity,
    end: 0,
    bytes: 0,
    packets: 0,
    retransmits: 0,
    rttMicros: 0,
    flags: new Array<number>(TCP_FLAGS.length).fill(0),
  };
}

function add(sum: FlowSum, batch: FlowBatch, row: number): void {
  sum.rows.push(row);
  sum.start = Math.min(sum.start, finite(batch.start(row)));
  sum.end = Math.max(sum.end, finite(batch.end(row)));
  sum.bytes += finite(batch.bytes(row));
  sum.packets += finite(batch.packets(row));
  sum.retransmits += batch.retransmits(row);
  sum.rttMicros = batch.rttMicros(row) || sum.rttMicros; // the last one known
  for (let flag = 0; flag < sum.flags.length; flag++) sum.flags[flag]! += batch.flagCount(row, flag);
}

/** Numbers of a record that lies: JSON has no NaN. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

/** A log record of the event `retina.flow`: its time is the last packet's. */
export function logRecord(sum: FlowSum, origin: RecordOrigin, now: number): ReadableLogRecord {
  const { attributes } = sum;
  // Whole numbers all: a number with a fraction travels as another type than one without.
  attributes['retina.flow.duration_us'] = Math.max(0, Math.round((sum.end - sum.start) * 1000));
  attributes['retina.flow.bytes'] = sum.bytes;
  attributes['retina.flow.packets'] = sum.packets;
  if (sum.rows.length > 1) attributes['retina.flow.records'] = sum.rows.length;
  if (sum.retransmits > 0) attributes['retina.tcp.retransmits'] = sum.retransmits;
  if (sum.rttMicros > 0) attributes['retina.tcp.rtt_us'] = sum.rttMicros;
  for (const [flag, count] of sum.flags.entries()) {
    if (count > 0) attributes[`retina.tcp.flags.${TCP_FLAGS[flag]!.toLowerCase()}`] = count;
  }
  return event(
    'retina.flow',
    sum.dropped ? 'WARN' : 'INFO',
    `${sum.title}: ${sum.packets} packets, ${sum.bytes} bytes`,
    {
      origin,
      attributes,
      time: sum.end,
      now,
    },
  );
}

/** Says in the log itself that records are missing from it. */
export function lossRecord(
  lost: number,
  causes: Readonly<Record<string, number>>,
  origin: RecordOrigin,
  now: number,
): ReadableLogRecord {
  const attributes: Attributes = { 'retina.lost.records': lost };
  for (const [cause, records] of Object.entries(causes)) attributes[`retina.lost.${cause}`] = records;
  return event('retina.flow.lost', 'WARN', `${lost} flow records were lost before this one`, {
    origin,
    attributes,
    time: now,
    now,
  });
}

function event(
  eventName: string,
  severityText: 'INFO' | 'WARN',
  body: string,
  more: { origin: RecordOrigin; attributes: Attributes; time: number; now: number },
): ReadableLogRecord {
  return {
    eventName,
    severityText,
    severityNumber: severityText === 'WARN' ? SeverityNumber.WARN : SeverityNumber.INFO,
    body,
    hrTime: hrTime(more.time),
    hrTimeObserved: hrTime(more.now),
    resource: more.origin.resource,
    instrumentationScope: more.origin.scope,
    attributes: more.attributes,
    droppedAttributesCount: 0,
  };
}
