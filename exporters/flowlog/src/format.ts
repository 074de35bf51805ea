import type { FlowJson } from '@retina/sdk';
import { compact } from './compact.ts';
import { strictFlow } from './hubble.ts';
import { mask } from './mask.ts';
import type { FORMATS } from './options.ts';

/** What a line is made of: a record, or a sum of several, which lacks what its records do not have in common. */
export type LogRecord = Omit<FlowJson, 'IP' | 'event' | 'first_seen'> &
  Partial<Pick<FlowJson, 'IP' | 'event' | 'first_seen'>> & { readonly aggregate?: AggregateJson };

/** Hubble's `Flow.aggregate`: how many records became one. */
export interface AggregateJson {
  readonly ingress_flow_count?: number;
  readonly egress_flow_count?: number;
  readonly unknown_direction_flow_count?: number;
}

export interface FormatOptions {
  readonly format: (typeof FORMATS)[number];
  /** Members of the flow; none for all. */
  readonly fields: readonly string[];
  readonly version: string;
}

/** Turns a record into its line. */
export function formatter({ format, fields, version }: FormatOptions): (record: LogRecord) => string {
  const keep = mask(fields);
  if (format === 'compact') return (record) => `${JSON.stringify(keep(compact(record)))}\n`;
  const shape =
    format === 'hubble' ? (record: LogRecord) => record : (record: LogRecord) => strictFlow(record, version);
  return (record) => {
    const { node_name, time } = record;
    return `${JSON.stringify({ flow: keep(shape(record)), ...(node_name !== undefined && { node_name }), time })}\n`;
  };
}
