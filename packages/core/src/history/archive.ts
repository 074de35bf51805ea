import { FLOW_STRIDE, FlowBatch, RetinaError, type FlowDetails, type Logger } from '@retina/sdk';
import type { FlowNames } from '../flows/json.ts';
import { BLOCK_RECORDS, BlockMemory, encode, seal, type Block } from './block.ts';
import { SegmentReader, type Place } from './reading.ts';
import { Segments, type SegmentOptions } from './segments.ts';

export interface ArchiveOptions extends SegmentOptions {
  readonly names: FlowNames;
  readonly log: Logger;
  /** Records that could not be kept. */
  lost(records: number): void;
  /** Longest a record waits for its block to fill, in milliseconds. Default 5000. */
  readonly waitMs?: number;
}

/** Which blocks are wanted. */
export interface ArchiveQuery {
  /** Only blocks that may have a record within; milliseconds since the Unix epoch. */
  readonly since: number;
  readonly until: number;
}

/** Blocks that may wait to be written: at most 15 MiB. */
const MAX_WAITING = 32;
/** Memory of blocks that is kept for those that come next. */
const SPARE = 4;
const PRUNE_MS = 30_000;

/**
 * Flow records on disk, with the names their ends had: bounded by bytes and age, and there again after a restart. Writing is done off the
 * event loop; what the disk does not take is counted and said, and costs nobody else.
 */
export class FlowArchive implements AsyncDisposable {
  /** Tells the runs of an agent apart. */
  readonly run = Date.now() + Math.random();
  /** Why it does not keep what comes, if that is so. */
  problem: RetinaError | undefined;
  /** Blocks that were read and not understood. */
  damaged = 0;
  private readonly options: ArchiveOptions;
  private readonly segments: Segments;
  private readonly timers: NodeJS.Timeout[];
  private readonly spare: BlockMemory[] = [];
  private memory: BlockMemory | undefined;
  private length = 0;
  private details: (FlowDetails | undefined)[] | undefined;
  private sequence = 0;
  private waiting = 0;
  private writing: Promise<unknown> = Promise.resolve();

  /** Throws RETINA_SOURCE_UNREACHABLE where the folder cannot be used. */
  static async open(options: ArchiveOptions): Promise<FlowArchive> {
    try {
      return new FlowArchive(options, await Segments.open(options));
    } catch (error) {
      throw new RetinaError('RETINA_SOURCE_UNREACHABLE', 'the flow history has no folder it can use', {
        found: (error as Error).message,
        needed: `a folder ${options.directory} that this process may write to`,
        next: 'see to its rights, or set flows.history.directory to another',
        cause: error,
      });
    }
  }

  private constructor(options: ArchiveOptions, segments: Segments) {
    this.options = options;
    this.segments = segments;
    const prune = () => {
      this.writing = this.writing.then(() => segments.prune(0)).catch((error: unknown) => this.failed(error, 0));
    };
    this.timers = [setInterval(() => this.seal(), options.waitMs ?? 5000), setInterval(prune, PRUNE_MS)];
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.segments.bytes;
  }

  /** Keeps a copy of a borrowed batch whose first record has that sequence number. */
  append(batch: FlowBatch, sequence: number): void {
    for (let row = 0; row < batch.length;) {
      if (!this.memory) {
        if (this.waiting >= MAX_WAITING) return this.options.lost(batch.length - row);
        this.memory = this.spare.pop() ?? new BlockMemory();
        this.sequence = sequence + row;
      }
      const n = Math.min(batch.length - row, BLOCK_RECORDS - this.length);
      this.memory.slab.set(
        batch.buffer.subarray(row * FLOW_STRIDE, (row + n) * FLOW_STRIDE),
        this.length * FLOW_STRIDE,
      );
      for (let i = 0; batch.detailed && i < n; i++) {
        const details = batch.details(row + i);
        if (details) (this.details ??= [])[this.length + i] = details;
      }
      this.length += n;
      row += n;
      if (this.length === BLOCK_RECORDS) this.seal();
    }
  }

  /** Resolves when all that was appended before is on disk, or lost. */
  async flush(): Promise<void> {
    this.seal();
    await this.writing;
  }

  /** Blocks that may be wanted, oldest first or last; those that cannot be understood are counted and left out. */
  async *blocks(query: ArchiveQuery, backwards = false, wanted: (place: Place) => boolean = () => true): AsyncGenerator<Block> {
    const segments = [...this.segments.list()];
    for (const segment of backwards ? segments.reverse() : segments) {
      await using reader = await SegmentReader.open(segment);
      if (!reader) continue;
      const places = [...(await reader.places())];
      for (const place of backwards ? places.reverse() : places) {
        const { from, to } = place.header;
        if (to < query.since || from > query.until || !wanted(place)) continue;
        const block = await reader.block(place);
        if (block) yield block;
      }
      this.damaged += reader.damaged;
    }
  } // prettier-ignore

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.flush();
    await this.segments.end();
  }

  private seal(): void {
    const { memory, sequence } = this;
    if (!memory) return;
    const batch = new FlowBatch(memory.slab, this.length, this.details);
    this.memory = this.details = undefined;
    this.length = 0;
    const sealed = seal(memory, batch, this.options.names, { run: this.run, sequence });
    this.waiting++;
    const bytes = encode(sealed).finally(() => this.spare.length < SPARE && this.spare.push(memory));
    bytes.catch(() => undefined); // several at a time; written one after the other
    this.writing = this.writing.then(() => this.write(bytes, batch.length)).finally(() => this.waiting--);
  }

  private async write(bytes: Promise<Buffer>, records: number): Promise<void> {
    try {
      await this.segments.append(await bytes);
      if (this.problem) this.options.log.info('the flow history is written again');
      this.problem = undefined;
    } catch (error) {
      this.failed(error, records);
    }
  }

  private failed(error: unknown, records: number): void {
    this.options.lost(records);
    const problem = new RetinaError('RETINA_EXPORT_FAILED', 'the flow history cannot be written', {
      found: error instanceof Error ? error.message : String(error),
      next: `free space or see to the rights of ${this.options.directory}; what is not kept is counted in retina_lost_records_total`,
      retryable: true,
      cause: error,
    });
    if (problem.message !== this.problem?.message) this.options.log.warn(problem.message, { code: problem.code });
    this.problem = problem;
  }
}
