import { setImmediate as turn } from 'node:timers/promises';
import type { FlowBatch, FlowPredicate, PartialDelivery } from '@retina/sdk';
import type { Target } from './target.ts';

/** Records rendered at a time: one to two milliseconds. */
const ROWS = 128;
/** Bytes that most of them take. */
const FIRST = 256 * 1024;

export interface FlowLogParts {
  readonly target: Target;
  readonly wanted: FlowPredicate;
  /** A record as one line, line feed included. */
  readonly render: (batch: FlowBatch, row: number) => string;
}

/** Lines of a batch on their way: which row each byte belongs to. */
interface Chunk {
  readonly bytes: Uint8Array;
  /** Offset behind each line, and the row after the line's. */
  readonly ends: readonly (readonly [offset: number, nextRow: number])[];
  /** First row that is not part of it. */
  readonly next: number;
}

/** Writes each record that is wanted, once, in order, a few at a time so that nobody else waits. */
export class FlowLog {
  private readonly parts: FlowLogParts;
  /** Lines are put together here; whoever writes them is done with it before the next. */
  private buffer = Buffer.alloc(FIRST);
  private tail: Promise<unknown> = Promise.resolve();
  /** How far a call got that was given up: the same batch may come again. */
  private done: { readonly batch: WeakRef<FlowBatch>; readonly row: number } | undefined;

  constructor(parts: FlowLogParts) {
    this.parts = parts;
  }

  readonly flows = (batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | void> => {
    const work = this.tail.then(() => this.deliver(batch, signal));
    this.tail = work.catch(() => undefined);
    return work;
  };

  private async deliver(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | void> {
    const from = this.done?.batch.deref() === batch ? this.done.row : 0;
    this.done = undefined;
    for (let row = from; row < batch.length;) {
      if (signal.aborted) return this.giveUp(batch, row, signal);
      const chunk = this.render(batch, row);
      if (chunk.bytes.length === 0) {
        await turn();
        row = chunk.next;
        continue;
      }
      let written: number;
      try {
        written = await this.parts.target.write(chunk.bytes, signal);
      } catch (error) {
        if (signal.aborted) return this.giveUp(batch, row, signal);
        if (row === from && from === 0) throw error;
        return rest(batch, row, error);
      }
      if (written === chunk.bytes.length) row = chunk.next;
      else if (signal.aborted) return this.giveUp(batch, rowAfter(chunk, written) ?? row, signal);
      else return rest(batch, rowAfter(chunk, written) ?? row, 'not all of it was taken');
    }
  }

  private giveUp(batch: FlowBatch, row: number, signal: AbortSignal): never {
    this.done = { batch: new WeakRef(batch), row };
    throw signal.reason as Error;
  }

  private render(batch: FlowBatch, from: number): Chunk {
    const { wanted, render } = this.parts;
    const next = Math.min(batch.length, from + ROWS);
    const ends: [number, number][] = [];
    let length = 0;
    for (let row = from; row < next; row++) {
      if (!wanted(batch, row)) continue;
      const line = render(batch, row);
      this.room(length, line.length * 3);
      length += this.buffer.write(line, length);
      ends.push([length, row + 1]);
    }
    return { bytes: this.buffer.subarray(0, length), ends, next };
  }

  private room(length: number, more: number): void {
    if (length + more <= this.buffer.length) return;
    const bigger = Buffer.alloc(Math.max(this.buffer.length * 2, length + more));
    bigger.set(this.buffer.subarray(0, length));
    this.buffer = bigger;
  }
}

/** The row after the last line that was begun; undefined where none was. */
function rowAfter({ ends }: Chunk, written: number): number | undefined {
  if (written === 0) return undefined;
  return ends.find(([offset]) => offset >= written)?.[1];
}

/** All rows from one on, to be given again. */
export function rest(batch: FlowBatch, row: number, error: unknown): PartialDelivery {
  const retry = Array.from({ length: batch.length - row }, (_, i) => row + i);
  return { retry, cause: error instanceof Error ? error.message : String(error) };
}
