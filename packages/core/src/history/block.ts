import { promisify } from 'node:util';
import { crc32, deflateRaw, inflateRaw } from 'node:zlib';
import { FLOW_STRIDE, FlowBatch } from '@retina/sdk';
import type { FlowNames } from '../flows/json.ts';
import { BlockNames, namesOf, type NamesJson } from './names.ts';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** Bytes before the compressed part of a block. */
export const HEADER = 64;
/** Most records of one block. */
export const BLOCK_RECORDS = 2048;
const MAGIC = 0x31424652; // "RFB1"
/** Most bytes of names one block may have once it is no longer compressed. */
const MAX_NAMES = 64 * 1024 * 1024;

/** What a block says about itself before it is decompressed. */
export interface BlockHeader {
  /** Bytes that follow the header. */
  readonly length: number;
  readonly checksum: number;
  readonly records: number;
  readonly namesLength: number;
  /** Which run of the agent wrote it: the time it started. */
  readonly run: number;
  /** Sequence number of the first record within that run. */
  readonly sequence: number;
  /** Earliest start and latest end of its records, milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
}

/** Records as they were, and what they were about at that time. */
export interface Block {
  readonly header: BlockHeader;
  readonly batch: FlowBatch;
  readonly names: FlowNames;
}

/** Room for names before the records; a multiple of 8. */
const NAMES_ROOM = 64 * 1024;
/** What deflate writes at a time: most blocks as a whole. */
const CHUNK = 128 * 1024;

/** Where a block is put together: its records, and before them its names. It can be used again once the block is compressed. */
export class BlockMemory {
  private readonly whole = Buffer.alloc(NAMES_ROOM + BLOCK_RECORDS * FLOW_STRIDE);
  /** For the records. */
  readonly slab: Uint8Array = this.whole.subarray(NAMES_ROOM);

  /** The names and so many records, one after the other. */
  withNames(names: Buffer, records: number): Uint8Array {
    const end = NAMES_ROOM + records * FLOW_STRIDE;
    if (names.length > NAMES_ROOM) return Buffer.concat([names, this.whole.subarray(NAMES_ROOM, end)]);
    this.whole.set(names, NAMES_ROOM - names.length);
    return this.whole.subarray(NAMES_ROOM - names.length, end);
  }
}

/** A block that is not compressed yet. */
export interface Sealed {
  readonly head: Omit<BlockHeader, 'length' | 'checksum'>;
  /** Names and records, in the block's memory. */
  readonly content: Uint8Array;
}

/** Adds the names that the batch in a block's memory needs. */
export function seal(
  memory: BlockMemory,
  batch: FlowBatch,
  names: FlowNames,
  { run, sequence }: { readonly run: number; readonly sequence: number },
): Sealed {
  let [from, to] = [Infinity, -Infinity];
  for (let row = 0; row < batch.length; row++) {
    from = Math.min(from, batch.start(row));
    to = Math.max(to, batch.end(row));
  }
  const json = Buffer.from(JSON.stringify(namesOf(batch, names)));
  return {
    head: { records: batch.length, namesLength: json.length, run, sequence, from, to },
    content: memory.withNames(json, batch.length),
  };
}

/** The bytes of a block, compressed off the event loop. */
export async function encode({ head, content }: Sealed): Promise<Buffer> {
  const payload = await deflate(content, { level: 1, chunkSize: CHUNK });
  const block = Buffer.alloc(HEADER + payload.length);
  block.writeUInt32LE(MAGIC, 0);
  block.writeUInt32LE(payload.length, 8);
  block.writeUInt32LE(crc32(payload), 12);
  block.writeUInt32LE(head.records, 16);
  block.writeUInt32LE(head.namesLength, 20);
  block.writeDoubleLE(head.run, 24);
  block.writeDoubleLE(head.sequence, 32);
  block.writeDoubleLE(head.from, 40);
  block.writeDoubleLE(head.to, 48);
  block.writeUInt32LE(FLOW_STRIDE, 56);
  block.writeUInt32LE(crc32(block.subarray(8, HEADER)), 4);
  block.set(payload, HEADER);
  return block;
}

/** Undefined where the bytes are no header of a block of this version. */
export function decodeHeader(bytes: Buffer): BlockHeader | undefined {
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  if (crc32(bytes.subarray(8, HEADER)) !== bytes.readUInt32LE(4)) return undefined;
  const [records, namesLength] = [bytes.readUInt32LE(16), bytes.readUInt32LE(20)];
  if (records > BLOCK_RECORDS || namesLength > MAX_NAMES || bytes.readUInt32LE(56) !== FLOW_STRIDE) return undefined;
  return {
    length: bytes.readUInt32LE(8),
    checksum: bytes.readUInt32LE(12),
    records,
    namesLength,
    run: bytes.readDoubleLE(24),
    sequence: bytes.readDoubleLE(32),
    from: bytes.readDoubleLE(40),
    to: bytes.readDoubleLE(48),
  };
}

/** Undefined where the payload is not what its header says. */
export async function decode(header: BlockHeader, payload: Buffer): Promise<Block | undefined> {
  const { records, namesLength, checksum } = header;
  if (payload.length !== header.length || crc32(payload) !== checksum) return undefined;
  try {
    const size = namesLength + records * FLOW_STRIDE;
    const whole = await inflate(payload, { maxOutputLength: size + 1 });
    if (whole.length !== size) return undefined;
    const json = JSON.parse(whole.toString('utf8', 0, namesLength)) as NamesJson;
    const slab = new Uint8Array(whole.subarray(namesLength)); // a copy: records lie on an 8-byte boundary
    const names = new BlockNames(json);
    return { header, batch: new FlowBatch(slab, records, names.details), names };
  } catch {
    return undefined;
  }
}
