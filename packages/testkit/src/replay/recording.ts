import { readFileSync, writeFileSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { ConstantInfo, MapInfo, ProgramInfo } from '@retina/loader';

/** What the kernel gave to a plugin at one moment, by a BPF object, by netlink, or as a device's statistics. */
export interface RecordedBatch {
  /** File name of the object, without its folder; empty where it was none. */
  readonly object: string;
  readonly source: 'stream' | 'table' | 'flows' | 'counters' | 'netlink' | 'statistics';
  /** Empty for flows, which belong to the whole object. Netlink: what was asked or subscribed to. Statistics: the interface. */
  readonly map: string;
  /** Bytes per record; 8 for counters, 0 where they differ. */
  readonly stride: number;
  readonly records: number;
  /** Records the kernel dropped before this batch. Netlink requests: 1 for a dump that was interrupted. */
  readonly lost: number;
  readonly bytes: Uint8Array;
}

/** An object file as far as a host asks about it. */
export interface RecordedObject {
  readonly file: string;
  readonly programs: readonly ProgramInfo[];
  readonly maps: readonly MapInfo[];
  readonly constants: readonly (Omit<ConstantInfo, 'value'> & { readonly value: string })[];
}

/** What the kernel said of itself to whoever asked while the recording was made. */
export interface RecordedKernel {
  readonly release: string;
  readonly version: readonly [number, number];
  readonly architecture: string;
  readonly possibleCpus: number;
  readonly tracepoints: Readonly<Record<string, number>>;
  readonly enums: Readonly<Record<string, readonly (readonly [number, string])[]>>;
}

interface Head {
  readonly format: 1;
  readonly kernel: RecordedKernel;
  readonly objects: readonly RecordedObject[];
  readonly batches: readonly (Omit<RecordedBatch, 'bytes'> & { readonly size: number })[];
}

const MAGIC = 'RETINAREC1\n';

/** Everything a plugin got from the kernel in one run, to be played again without one. */
export interface Recording {
  readonly kernel: RecordedKernel;
  readonly objects: readonly RecordedObject[];
  readonly batches: readonly RecordedBatch[];
}

/** Reads `fixtures/*.bin`. */
export function readRecording(file: URL | string): Recording {
  const whole = readFileSync(file);
  if (whole.subarray(0, MAGIC.length).toString('latin1') !== MAGIC) {
    throw new TypeError(`Expected a recording but ${String(file)} is something else; record it again with root`);
  }
  const body = inflateRawSync(whole.subarray(MAGIC.length));
  const headSize = body.readUInt32LE(0);
  const head = JSON.parse(body.subarray(4, 4 + headSize).toString('utf8')) as Head;
  let at = 4 + headSize;
  const batches = head.batches.map(({ size, ...batch }) => {
    const bytes = new Uint8Array(new ArrayBuffer(size)); // aligned, as FlowBatch wants it
    bytes.set(body.subarray(at, at + size));
    at += size;
    return { ...batch, bytes };
  });
  return { kernel: head.kernel, objects: head.objects, batches };
}

export function writeRecording(file: URL | string, recording: Recording): void {
  const batches = recording.batches.map(({ bytes, ...batch }) => ({ ...batch, size: bytes.length }));
  const head: Head = { format: 1, kernel: recording.kernel, objects: recording.objects, batches };
  const text = Buffer.from(JSON.stringify(head));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  const body = Buffer.concat([size, text, ...recording.batches.map(({ bytes }) => bytes)]);
  writeFileSync(file, Buffer.concat([Buffer.from(MAGIC, 'latin1'), deflateRawSync(body, { level: 9 })]));
}
