import type { FlowBatch, FlowPredicate } from '@retina/sdk';
import { flowFilter, flowTimes } from '../flows/filter.ts';
import type { FlowHistory } from '../flows/history.ts';
import type { FlowNames } from '../flows/json.ts';
import type { FlowArchive } from './archive.ts';
import type { Block, BlockHeader } from './block.ts';

export interface PastSources {
  readonly history: FlowHistory;
  readonly archive: FlowArchive | undefined;
  readonly names: FlowNames;
  /** Age at which records in memory are no longer shown, in milliseconds. */
  readonly maxAgeMs?: number | undefined;
  /** Records that were overwritten before a slow reader got them. */
  lost(records: number): void;
}

export interface PastQuery {
  /** The terms of a flow filter; those of no filter are left alone. */
  readonly query: URLSearchParams;
  /** At most so many, the latest. */
  readonly limit: number;
  /** Records made at a time, before others get their turn. */
  readonly chunk: number;
}

type Make<T> = (batch: FlowBatch, row: number, names: FlowNames) => T;

/** Records looked at before others get their turn. */
const SCAN = 8192;

/**
 * Flow records that passed, oldest first: what is on disk, of earlier runs of the agent too, then what is in memory. Nothing between the
 * two is left out or given twice. Throws RETINA_REQUEST_INVALID at once where the query is not understood.
 */
export function pastFlows<T>(sources: PastSources, asked: PastQuery, make: Make<T>): AsyncGenerator<readonly T[]> {
  return new Past(sources, asked, make).all();
}

class Past<T> {
  private readonly sources: PastSources;
  private readonly asked: PastQuery;
  private readonly make: Make<T>;
  private readonly now = Date.now();
  private readonly times: { since: number; until: number };
  private readonly wanted: FlowPredicate;
  private readonly upTo: number;

  constructor(sources: PastSources, asked: PastQuery, make: Make<T>) {
    this.sources = sources;
    this.asked = asked;
    this.make = make;
    this.times = flowTimes(asked.query, this.now);
    const wanted = flowFilter(asked.query, sources.names, this.now);
    const oldest = this.now - (sources.maxAgeMs ?? Infinity);
    this.wanted = (batch, row) => batch.end(row) >= oldest && wanted(batch, row);
    this.upTo = sources.history.appended;
  }

  async *all(): AsyncGenerator<readonly T[]> {
    const { history, archive } = this.sources;
    const recent = await this.recent();
    const left = this.asked.limit - recent.length;
    if (archive && left > 0) {
      await archive.flush();
      let boundary = Math.min(history.oldest, this.upTo);
      yield* this.stored(left, (header) => before(header, archive.run, -Infinity, boundary));
      // While somebody read those, memory went on: what it gave up meanwhile is on disk by now.
      for (let from = boundary; history.oldest > from && from < this.upTo; from = boundary) {
        await archive.flush();
        boundary = Math.min(history.oldest, this.upTo);
        yield* this.stored(Infinity, (header) => before(header, archive.run, from, boundary));
      }
      while (recent.length > 0 && recent[0]! < boundary) recent.shift();
    }
    yield* this.remembered(recent);
  }

  /** Sequence numbers of the latest wanted records in memory, ascending. */
  private async recent(): Promise<number[]> {
    const { history } = this.sources;
    const found: number[] = [];
    for (let to = this.upTo; to > history.oldest && found.length < this.asked.limit; to -= SCAN) {
      for (const { batch, row, sequence } of [...history.rows(Math.max(history.oldest, to - SCAN))].reverse()) {
        if (sequence < to && found.length < this.asked.limit && this.wanted(batch, row)) found.push(sequence);
      }
      await nextTurn();
    }
    return found.reverse();
  }

  private *remembered(found: readonly number[]): Generator<readonly T[]> {
    const { history, names } = this.sources;
    const { chunk } = this.asked;
    for (let at = 0; at < found.length; at += chunk) {
      const made: T[] = [];
      let lost = 0;
      for (const sequence of found.slice(at, at + chunk)) {
        const [record] = history.rows(sequence);
        if (record?.sequence === sequence) made.push(this.make(record.batch, record.row, names));
        else lost++; // new records took its place while the reader took its time
      }
      if (lost > 0) this.sources.lost(lost);
      yield made;
    }
  }

  /** The last `limit` wanted records of blocks; `rows` says how many of a block's first and last rows to leave out. */
  private async *stored(limit: number, rows: (header: BlockHeader) => readonly [from: number, to: number]): AsyncGenerator<readonly T[]> {
    const archive = this.sources.archive!;
    const fits = (header: BlockHeader) => rows(header)[0] < rows(header)[1];
    let skip = 0;
    let first: BlockHeader | undefined;
    if (limit !== Infinity) {
      let count = 0;
      for await (const block of archive.blocks(this.times, true, ({ header }) => fits(header))) {
        count += this.rowsOf(block, rows).length;
        first = block.header;
        await nextTurn();
        yield [];
        if (count >= limit) break;
      }
      skip = Math.max(0, count - limit);
    }
    const from = first;
    let begun = from === undefined;
    if (limit !== Infinity && begun) return;
    const starts = ({ header }: { header: BlockHeader }) => (begun ||= header.run === from?.run && header.sequence === from.sequence) && fits(header);
    for await (const block of archive.blocks(this.times, false, starts)) {
      const found = this.rowsOf(block, rows).slice(skip);
      skip = 0;
      yield []; // whoever asked may have gone: a scan that finds nothing ends then
      for (let at = 0; at < found.length; at += this.asked.chunk) {
        yield found.slice(at, at + this.asked.chunk).map((row) => this.make(block.batch, row, block.names));
      }
    }
  } // prettier-ignore

  private rowsOf(block: Block, rows: (header: BlockHeader) => readonly [from: number, to: number]): number[] {
    const wanted = flowFilter(this.asked.query, block.names, this.now);
    const [from, to] = rows(block.header);
    const found: number[] = [];
    for (let row = from; row < to; row++) if (wanted(block.batch, row)) found.push(row);
    return found;
  }
}

/** Rows of a block with sequence numbers from `from` to below `to` in this run; of another run all, where there is no `from`. */
function before(header: BlockHeader, run: number, from: number, to: number): readonly [number, number] {
  if (header.run !== run) return from === -Infinity ? [0, header.records] : [0, 0];
  const clamp = (sequence: number) => Math.max(0, Math.min(header.records, sequence - header.sequence));
  return [from === -Infinity ? 0 : clamp(from), clamp(to)];
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
