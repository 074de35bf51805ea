import { open, type FileHandle } from 'node:fs/promises';
import { decode, decodeHeader, HEADER, type Block, type BlockHeader } from './block.ts';
import type { Segment } from './segments.ts';

/** A block, and where it lies. */
export interface Place {
  readonly header: BlockHeader;
  readonly offset: number;
}

/** Reads the blocks of one segment. */
export class SegmentReader implements AsyncDisposable {
  /** Blocks and ends of files that could not be understood. */
  damaged = 0;
  private readonly file: FileHandle;
  private readonly size: number;

  /** Undefined where the segment is gone: its time was over. */
  static async open({ path, size }: Segment): Promise<SegmentReader | undefined> {
    try {
      return new SegmentReader(await open(path, 'r'), size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  private constructor(file: FileHandle, size: number) {
    this.file = file;
    this.size = size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.file.close();
  }

  /** Its blocks in order, up to the first place that makes no sense: behind a write that was cut off there is nothing. */
  async places(): Promise<readonly Place[]> {
    const places: Place[] = [];
    const bytes = Buffer.alloc(HEADER);
    for (let offset = 0; offset < this.size;) {
      const { bytesRead } = await this.file.read(bytes, 0, HEADER, offset);
      const header = decodeHeader(bytes.subarray(0, bytesRead));
      if (!header || offset + HEADER + header.length > this.size) {
        this.damaged++;
        break;
      }
      places.push({ header, offset });
      offset += HEADER + header.length;
    }
    return places;
  }

  /** Undefined where it cannot be understood. */
  async block({ header, offset }: Place): Promise<Block | undefined> {
    const payload = Buffer.alloc(header.length);
    const { bytesRead } = await this.file.read(payload, 0, header.length, offset + HEADER);
    const block = bytesRead === header.length ? await decode(header, payload) : undefined;
    if (!block) this.damaged++;
    return block;
  }
}
