import type { Block } from './attribute-writer.ts';
import { ByteWriter } from './byte-writer.ts';

interface Remembered {
  readonly owner: object | undefined;
  readonly bytes: Uint8Array;
}

/** Blocks of one kind that are kept: what is on one node, many times over. */
const MOST_KEPT = 4096;

/** Bytes in which what many records share is copied from the last time. */
export class BlockWriter extends ByteWriter {
  private readonly kept: Record<Block, Map<number, Remembered>> = {
    terms: new Map(), src: new Map(), dst: new Map(), srcOwner: new Map(), dstOwner: new Map(),
  }; // prettier-ignore
  /** Where the block begins that is being written out. Blocks do not nest. */
  private blockStart = 0;

  recall(block: Block, id: number, owner: object | undefined): boolean {
    const known = this.kept[block].get(id);
    if (known && known.owner === owner) {
      this.bytes(known.bytes);
      return true;
    }
    this.blockStart = this.length;
    return false;
  }

  remember(block: Block, id: number, owner: object | undefined): void {
    const kept = this.kept[block];
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(id, { owner, bytes: new Uint8Array(this.buffer.subarray(this.blockStart, this.length)) });
  }
}
