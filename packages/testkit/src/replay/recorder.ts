import { basename } from 'node:path';
import { FLOW_STRIDE, type FlowBatch, type KernelFeatures, type Layout, type RecordBatch } from '@retina/sdk';
import type { LoadedObject, LoaderApi, LoadOptions, ObjectSpec } from '@retina/loader';
import type { RecordedBatch, RecordedObject, Recording } from './recording.ts';

/** A loader that does what `loader` does and keeps a copy of all it hands over. */
export interface Recorder {
  readonly loader: LoaderApi;
  recording(): Recording;
}

/** Needs root, like the loader it stands before. Give `loader` to a host, make some traffic, then write `recording()` to `fixtures/`. */
export function recorder(loader: LoaderApi): Recorder {
  const objects: RecordedObject[] = [];
  const batches: RecordedBatch[] = [];
  const tracepoints: Record<string, number> = {};
  const enums: Record<string, [number, string][]> = {};
  const features = loader.kernelFeatures();

  const kernelFeatures = (): KernelFeatures => ({
    ...features,
    tracepointArguments: (name) => (tracepoints[name] = features.tracepointArguments(name)),
    enumNames: (name) => {
      const names = features.enumNames(name);
      enums[name] = [...names];
      return names;
    },
  });

  const openObject = (file: URL | string): ObjectSpec => {
    const spec = loader.openObject(file);
    const name = basename(file instanceof URL ? file.pathname : file);
    const constants = spec.constants.map((constant) => ({ ...constant, value: String(constant.value) }));
    objects.push({ file: name, programs: spec.programs, maps: spec.maps, constants });
    const load = async (options?: LoadOptions) => listening(await spec.load(options), name, batches);
    return overlay(spec, { load });
  };

  return {
    loader: overlay(loader, { kernelFeatures, openObject }),
    recording: () => ({
      kernel: {
        release: features.release,
        version: features.version,
        architecture: features.architecture,
        possibleCpus: features.possibleCpus,
        tracepoints,
        enums,
      },
      objects,
      batches,
    }),
  };
}

/** `object` with every batch copied on its way to the plugin. */
function listening(object: LoadedObject, name: string, batches: RecordedBatch[]): LoadedObject {
  const keep =
    <L extends Layout>(source: 'stream' | 'table', map: string, handle: (batch: RecordBatch<L>) => void) =>
    (batch: RecordBatch<L>) => {
      const { stride } = batch.layout;
      const bytes = batch.buffer.slice(0, batch.length * stride);
      batches.push({ object: name, source, map, stride, records: batch.length, lost: batch.lost, bytes });
      handle(batch);
    };
  const parts: Pick<LoadedObject, 'stream' | 'table' | 'counters' | 'flows'> = {
    stream: (map, layout, handle) => object.stream(map, layout, keep('stream', map, handle)),
    table: (map, layout, ms, handle) => object.table(map, layout, ms, keep('table', map, handle)),
    counters: (map) => {
      const values = object.counters(map);
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
      batches.push({ object: name, source: 'counters', map, stride: 8, records: values.length, lost: 0, bytes });
      return values;
    },
    flows: (options, handle) =>
      object.flows(options, (batch: FlowBatch) => {
        const bytes = batch.buffer.slice(0, batch.length * FLOW_STRIDE);
        batches.push({
          object: name,
          source: 'flows',
          map: '',
          stride: FLOW_STRIDE,
          records: batch.length,
          lost: 0,
          bytes,
        });
        handle(batch);
      }),
  };
  return overlay(object, parts);
}

/** `base` with some members replaced; the others stay bound to it, private state included. */
function overlay<T extends object>(base: T, members: Partial<T>): T {
  return new Proxy(base, {
    get(target, key) {
      if (key in members) return members[key as keyof T];
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      // no bound function: V8 takes none for `using`
      return (...args: unknown[]) => Reflect.apply(value, target, args) as unknown;
    },
  });
}
