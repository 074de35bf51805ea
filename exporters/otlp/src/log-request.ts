import type { Resource } from '@opentelemetry/resources';
import type { FlowBatch } from '@retina/sdk';
import type { Aggregate } from './flow-attributes.ts';
import type { FlowTotals } from './flow-totals.ts';
import type { Loss } from './loss.ts';

/** Who says it: the same for every record of an exporter. */
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
  /** Bytes so far. */
  readonly size: number;
  end(): Uint8Array;
  /** What `end` gave is read by nobody any more. */
  release(body: Uint8Array): void;
}
