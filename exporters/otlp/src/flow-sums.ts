import { setImmediate as turn } from 'node:timers/promises';
import type { FlowBatch } from '@retina/sdk';
import type { AttributeBytes } from './attribute-bytes.ts';
import { type Aggregate, type FlowTexts, writeIdentity } from './flow-attributes.ts';
import { FlowTotals } from './flow-totals.ts';

/** Records that are about the same, added up. */
export interface FlowSum {
  /** Whose sum this is, ascending. */
  readonly rows: number[];
  readonly totals: FlowTotals;
}

/** Time after which adding up gives way to the event loop, and rows between two looks at the clock. */
const SLICE_MS = 2;
const ROWS_PER_LOOK = 64;

/** Adds up rows by who they are about. */
export async function addUp(
  batch: FlowBatch,
  rows: ArrayLike<number>,
  by: Exclude<Aggregate, 'none'>,
  { texts, scratch, signal }: { texts: FlowTexts; scratch: AttributeBytes; signal: AbortSignal },
): Promise<FlowSum[]> {
  const sums = new Map<string, FlowSum>();
  let until = performance.now() + SLICE_MS;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    scratch.length = 0;
    writeIdentity(scratch, batch, row, by, texts);
    const same = scratch.buffer.toString('latin1', 0, scratch.length); // what is written the same is the same
    let sum = sums.get(same);
    if (!sum) sums.set(same, (sum = { rows: [], totals: new FlowTotals() }));
    sum.rows.push(row);
    sum.totals.add(batch, row);
    if (i % ROWS_PER_LOOK !== 0 || performance.now() < until) continue;
    await turn();
    signal.throwIfAborted();
    until = performance.now() + SLICE_MS;
  }
  return [...sums.values()];
}
