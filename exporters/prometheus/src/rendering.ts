import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { constants, createGzip } from 'node:zlib';
import type { MetricReader } from '@retina/sdk';
import type { Wanted } from './negotiate.ts';
import { renderProtobuf } from './protobuf.ts';
import { renderText } from './text.ts';

/** Milliseconds of rendering after which the event loop gets its turn. */
const SLICE_MS = 2;
/** Text gathered into one chunk. */
const CHUNK = 64 * 1024;

/**
 * One reading of every metric as bytes. Any number of responses may read it, each at its own pace, also while it grows:
 * scrapes that come at the same time cost one rendering.
 */
export class Rendering {
  readonly chunks: Buffer[] = [];
  bytes = 0;
  /** Whether all chunks are there. */
  done = false;
  failure: Error | undefined;
  /** Responses that read it. */
  readers = 0;
  private waiting: (() => void)[] = [];
  private readonly aborted = new AbortController();

  constructor(reader: MetricReader, wanted: Wanted) {
    this.run(reader, wanted).then(
      () => this.finish(),
      (error: unknown) => {
        this.failure = error instanceof Error ? error : new Error(String(error));
        this.finish();
      },
    );
  }

  /** Its readers are cut off and it ends. */
  abort(): void {
    this.aborted.abort();
    this.finish();
  }

  get signal(): AbortSignal {
    return this.aborted.signal;
  }

  /** Resolves when there is another chunk, or no more. */
  more(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private async run(reader: MetricReader, wanted: Wanted): Promise<void> {
    await turn(); // whoever asks in this turn joins
    if (wanted.encoding === 'identity') {
      for await (const chunk of this.pieces(reader, wanted)) this.push(chunk);
      return;
    }
    const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: CHUNK });
    gzip.on('data', (chunk: Buffer) => this.push(chunk));
    for await (const chunk of this.pieces(reader, wanted)) {
      if (!gzip.write(chunk)) await once(gzip, 'drain');
    }
    gzip.end();
    await once(gzip, 'end');
  }

  /** Chunks of bytes; gives way to others between slices. */
  private async *pieces(reader: MetricReader, { format, names }: Wanted): AsyncGenerator<Buffer> {
    let gathered: (string | Buffer)[] = [];
    let length = 0;
    let began = performance.now();
    for (const piece of format === 'protobuf' ? renderProtobuf(reader, names) : renderText(reader, format, names)) {
      gathered.push(piece);
      length += piece.length;
      if (length >= CHUNK) {
        yield joined(gathered);
        gathered = [];
        length = 0;
      }
      if (performance.now() - began < SLICE_MS) continue;
      await turn();
      if (this.aborted.signal.aborted) return;
      began = performance.now();
    }
    yield joined(gathered);
  }

  private push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    this.wake();
  }

  private finish(): void {
    this.done = true;
    this.wake();
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function joined(pieces: readonly (string | Buffer)[]): Buffer {
  if (typeof pieces[0] === 'string') return Buffer.from((pieces as readonly string[]).join(''));
  return Buffer.concat(pieces as readonly Buffer[]);
}

/** Renderings in memory: those that grow can be joined; those that slow readers hold are bounded in bytes. */
export class Renderings {
  private readonly reader: MetricReader;
  private readonly maxBytes: number;
  private readonly growing = new Map<string, Rendering>();
  private readonly held = new Set<Rendering>();

  constructor(reader: MetricReader, maxBytes: number) {
    this.reader = reader;
    this.maxBytes = maxBytes;
  }

  /** Bytes held for responses under way. */
  get bytes(): number {
    let bytes = 0;
    for (const rendering of this.held) bytes += rendering.bytes;
    return bytes;
  }

  /** A rendering that began now or is under way. Give it back with {@link release}. */
  acquire(wanted: Wanted): Rendering {
    const key = JSON.stringify(wanted);
    let rendering = this.growing.get(key);
    if (!rendering || rendering.done) {
      this.evict();
      rendering = new Rendering(this.reader, wanted);
      this.growing.set(key, rendering);
      this.held.add(rendering);
    }
    rendering.readers++;
    return rendering;
  }

  release(rendering: Rendering): void {
    if (--rendering.readers > 0) return;
    if (!rendering.done) rendering.abort();
    this.held.delete(rendering);
    for (const [key, r] of this.growing) if (r === rendering) this.growing.delete(key);
  }

  /** Cuts off the readers that have held their bytes the longest, so that slow ones cost a bounded amount of memory. */
  private evict(): void {
    for (const rendering of this.held) {
      if (this.bytes <= this.maxBytes) return;
      if (!rendering.done) continue;
      this.held.delete(rendering);
      rendering.abort();
    }
  }
}
