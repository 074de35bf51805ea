import type { FlowJson } from '@retina/sdk';

/** What a line is made of: a record, or a sum of several, which lacks what its records do not have in common. */
export type LogRecord = Omit<FlowJson, 'IP' | 'event' | 'first_seen'> &
  Partial<Pick<FlowJson, 'IP' | 'event' | 'first_seen'>> & { readonly aggregate?: AggregateJson };

/** Hubble's `Flow.aggregate`: how many records became one. */
export interface AggregateJson {
  readonly ingress_flow_count?: number;
  readonly egress_flow_count?: number;
  readonly unknown_direction_flow_count?: number;
}
