import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface SegmentOptions {
  readonly directory: string;
  /** Of all segments together. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Milliseconds that never jump. */
  readonly monotonic?: () => number;
}

export interface Segment {
  readonly number: number;
  readonly path: string;
  /** Bytes of whole blocks. */
  readonly size: number;
}

interface Held {
  readonly number: number;
  readonly path: string;
  size: number;
  /** On the monotonic clock: when it was last written to. */
  written: number;
}

const NAME = /^flows-(\d{10})\.seg$/;
const SMALLEST = 64 * 1024;
const LARGEST = 16 * 1024 * 1024;

/**
 * Files that blocks are appended to, numbered in the order they were begun: their age is told by numbers and by a clock that does not
 * jump. One that an earlier run left is never written to again, whatever its end looks like.
 */
export class Segments {
  private readonly options: SegmentOptions;
  private readonly monotonic: () => number;
  private readonly held: Held[] = [];
  private readonly segmentBytes: number;
  private file: FileHandle | undefined;
  private next = 1;

  static async open(options: SegmentOptions): Promise<Segments> {
    const segments = new Segments(options);
    await makeFolder(options.directory);
    const now = Date.now();
    for (const name of (await readdir(options.directory)).sort()) {
      const number = Number(NAME.exec(name)?.[1]);
      if (!number) continue;
      const path = join(options.directory, name);
      const { size, mtimeMs } = await stat(path);
      segments.held.push({ number, path, size, written: segments.monotonic() - Math.max(0, now - mtimeMs) });
      segments.next = number + 1;
    }
    await segments.prune(0);
    return segments;
  }

  private constructor(options: SegmentOptions) {
    this.options = options;
    this.monotonic = options.monotonic ?? (() => performance.now());
    this.segmentBytes = Math.max(SMALLEST, Math.min(LARGEST, options.maxBytes / 8));
  }

  get bytes(): number {
    return this.held.reduce((sum, { size }) => sum + size, 0);
  }

  /** Oldest first; a copy. */
  list(): readonly Segment[] {
    return this.held.map(({ number, path, size }) => ({ number, path, size }));
  }

  /** Appends one block, whole or not at all. Makes room first: what is oldest goes. */
  async append(block: Uint8Array): Promise<void> {
    await this.prune(block.length);
    let current = this.held.at(-1);
    if (this.file && current && current.size > 0 && current.size + block.length > this.segmentBytes) await this.end();
    if (!this.file) current = await this.begin();
    try {
      for (let at = 0; at < block.length;)
        at += (await this.file!.write(block, at, block.length - at, current!.size + at)).bytesWritten;
    } catch (error) {
      await this.file?.truncate(current!.size).catch(() => undefined);
      await this.end();
      throw error;
    }
    current!.size += block.length;
    current!.written = this.monotonic();
  }

  /** Removes what is too old, and the oldest until `more` bytes fit. */
  async prune(more: number): Promise<void> {
    const { maxBytes, maxAgeMs } = this.options;
    const oldest = this.monotonic() - maxAgeMs;
    while (this.held.length > 0 && (this.bytes + more > maxBytes || this.held[0]!.written < oldest)) {
      if (this.held.length === 1) await this.end();
      const [gone] = this.held.splice(0, 1);
      await rm(gone!.path, { force: true });
    }
  }

  async end(): Promise<void> {
    const file = this.file;
    this.file = undefined;
    await file?.close().catch(() => undefined);
  }

  private async begin(): Promise<Held> {
    for (;;) {
      const number = this.next++;
      const path = join(this.options.directory, `flows-${String(number).padStart(10, '0')}.seg`);
      try {
        this.file = await open(path, 'wx', 0o640);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        continue;
      }
      const held = { number, path, size: 0, written: this.monotonic() };
      this.held.push(held);
      return held;
    }
  }
}

/** Makes a folder and those above it. (`recursive: true` would try for ever in a file system that takes no folders, such as /proc.) */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o750 });
  try {
    await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  }
}
