import { FLOW_STRIDE, FlowBatch, recordBatch } from '@retina/sdk';
import type {
  FlowAnnotation,
  FlowSourceOptions,
  FlowSourceStats,
  Layout,
  RecordBatch,
  RetinaError,
  StreamOptions,
} from '@retina/sdk';
import type { NativeObject, NativeSource, OnBatch } from './native.ts';
import type { LoadedFlowSource, RecordSource, TableSource } from './types.ts';

/** Told the error with which a source ended by itself. */
export type Fail = (error: RetinaError) => void;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** One batch object per slab, made once and re-pointed, so that readers stay monomorphic and nothing is allocated per batch. */
function recordSource<L extends Layout>(
  layout: L,
  open: (onBatch: OnBatch) => NativeSource,
  handle: (batch: RecordBatch<L>) => void,
  fail: Fail,
): RecordSource {
  const source = open((slab, rows, lost, error) => {
    if (error) return fail(error);
    const batch = slab < 0 ? nothing : batches[slab]!;
    batch.length = rows;
    batch.lost = lost;
    handle(batch);
  });
  const nothing = recordBatch(layout, new Uint8Array(0), 0) as Writable<RecordBatch<L>>;
  const batches = source.slabs.map(
    (buffer) => recordBatch(layout, new Uint8Array(buffer), 0) as Writable<RecordBatch<L>>,
  );
  return { flush: () => source.flush(), [Symbol.dispose]: () => source.close() };
}

/** See BpfHandle.stream. */
export function openStream<L extends Layout>(
  object: NativeObject,
  map: string,
  layout: L,
  handle: (batch: RecordBatch<L>) => void,
  fail: Fail,
  options: StreamOptions = {},
): RecordSource {
  const { everyMs } = options;
  if (everyMs !== undefined && !(everyMs >= 1)) throw new RangeError(`everyMs must be at least 1, received ${everyMs}`);
  const open = (onBatch: OnBatch) => object.openStream(map, layout.stride, Math.floor(everyMs ?? 0), onBatch);
  return recordSource(layout, open, handle, fail);
}

/** See BpfHandle.table. */
export function openTable<L extends Layout>(
  object: NativeObject,
  map: string,
  layout: L,
  ms: number,
  handle: (batch: RecordBatch<L>) => void,
  fail: Fail,
): TableSource {
  let source!: NativeSource;
  const open = (onBatch: OnBatch) => (source = object.openTable(map, layout.stride, ms, onBatch));
  const records = recordSource(layout, open, handle, fail);
  return { ...records, pace: (next) => source.send(new Uint8Array(Uint32Array.of(next).buffer)) };
}

const ROLES = { endpoint: 0, uplink: 1, extra: 2 } as const;

/** struct FlowInterface of native/flows/flow_source.hpp. */
function interfaceMessage(ifindex: number, role: number, netns: number, gone: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(ifindex, role, netns, gone).buffer);
}

/** struct FlowAnnotation of native/source.hpp. */
function annotationMessage(annotation: FlowAnnotation): Uint8Array {
  const message = new Uint8Array(56);
  const view = new DataView(message.buffer);
  message.set(annotation.source.subarray(0, 16), 0);
  message.set(annotation.destination.subarray(0, 16), 16);
  view.setUint16(32, annotation.sourcePort, true);
  view.setUint16(34, annotation.destinationPort, true);
  view.setUint8(36, annotation.protocol);
  view.setUint32(40, annotation.rttMicros ?? 0, true);
  view.setUint32(44, annotation.retransmits ?? 0, true);
  view.setUint32(48, annotation.minRttMicros ?? 0, true);
  view.setUint32(52, annotation.setupMicros ?? 0, true);
  return message;
}

/** See BpfHandle.flows. */
export function openFlows(
  object: NativeObject,
  options: FlowSourceOptions,
  handle: (batch: FlowBatch) => void,
  fail: Fail,
): LoadedFlowSource {
  const source = object.openFlows(options, (slab, rows, _lost, error) => {
    if (error) return fail(error);
    if (slab < 0) return;
    const batch = batches[slab]!;
    batch.length = rows;
    handle(batch);
  });
  const batches = source.slabs.map((buffer) => {
    const whole = Math.floor(buffer.byteLength / FLOW_STRIDE) * FLOW_STRIDE;
    return new FlowBatch(new Uint8Array(buffer, 0, whole), 0);
  });
  return {
    stats: () => source.stats() as FlowSourceStats,
    flush: () => source.flush(),
    annotate: (annotation) => source.send(annotationMessage(annotation)),
    setInterface: (ifindex, role, netns) => source.send(interfaceMessage(ifindex, ROLES[role], netns, 0)),
    removeInterface: (ifindex) => source.send(interfaceMessage(ifindex, 0, 0, 1)),
    [Symbol.dispose]: () => source.close(),
  };
}
