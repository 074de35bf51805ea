import type { FlowEndpointJson } from '@retina/sdk';
import { compact } from './compact.ts';
import { strictFlow } from './hubble.ts';
import { mask } from './mask.ts';
import type { FORMATS } from './options.ts';
import type { LogRecord } from './record.ts';

export interface FormatOptions {
  readonly format: (typeof FORMATS)[number];
  /** Members of the flow; none for all. */
  readonly fields: readonly string[];
  readonly version: string;
}

/** Turns a record into its line. The record is used up. */
export function formatter({ format, fields, version }: FormatOptions): (record: LogRecord) => string {
  const keep = mask(fields);
  if (format === 'compact') return (record) => `${JSON.stringify(keep(compact(record)))}\n`;
  if (format === 'hubble' && fields.length === 0) return (record) => enveloped(record, wholeFlow(record));
  const shape =
    format === 'hubble' ? (record: LogRecord) => record : (record: LogRecord) => strictFlow(record, version);
  return (record) => enveloped(record, JSON.stringify(keep(shape(record))));
}

function enveloped({ node_name, time }: LogRecord, flow: string): string {
  const node = node_name === undefined ? '' : `"node_name":${JSON.stringify(node_name)},`;
  return `{"flow":${flow},${node}"time":"${time}"}\n`;
}

/** Text of an end of a flow, of which there are few: the host gives the same object for each of its records. */
const ENDS = new WeakMap<FlowEndpointJson, string>();

function endText(end: FlowEndpointJson): string {
  let text = ENDS.get(end);
  if (text === undefined) ENDS.set(end, (text = JSON.stringify(end)));
  return text;
}

function wholeFlow(record: LogRecord): string {
  const { source, destination } = record;
  const rest = JSON.stringify(Object.assign(record, { source: undefined, destination: undefined }));
  return `{"source":${endText(source)},"destination":${endText(destination)},${rest.slice(1)}`;
}
