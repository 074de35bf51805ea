import { basename } from 'node:path';
import { FLOW_STRIDE, type FlowBatch, type KernelFeatures, type Layout, type RecordBatch } from '@retina/sdk';
import type { LoadedObject, LoaderApi, LoadOptions, ObjectSpec } from '@retina/loader';
import { framed, requestKey, subscriptionKey, unframed } from './netlink-recording.ts';
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
    loader: overlay(loader, { kernelFeatures, openObject, ...asking(loader, batches) }),
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

/** What asks the kernel without an object, with every answer copied. */
function asking(
  loader: LoaderApi,
  batches: RecordedBatch[],
): Pick<LoaderApi, 'netlinkRequest' | 'netlinkSubscribe' | 'deviceStatistics'> {
  const keep = (source: 'netlink' | 'statistics', map: string, records: number, lost: number, bytes: Uint8Array) =>
    void batches.push({ object: '', source, map, stride: 0, records, lost, bytes });
  return {
    async netlinkRequest(request, handle) {
      const parts: Uint8Array[] = [];
      const answer = await loader.netlinkRequest(request, (messages) => {
        parts.push(request.unsplit ? messages[0]!.payload.slice() : framed(messages));
        handle(messages);
      });
      const bytes = new Uint8Array(Buffer.concat(parts));
      keep('netlink', requestKey(request), unframed(bytes).length, Number(answer.interrupted), bytes);
      return answer;
    },
    netlinkSubscribe: (family, groups, handle, filter, fail) =>
      loader.netlinkSubscribe(
        family,
        groups,
        (messages, lost) => {
          keep('netlink', subscriptionKey(family, groups), messages.length, lost, framed(messages));
          handle(messages, lost);
        },
        filter,
        fail,
      ),
    async deviceStatistics(interfaceName) {
      const found = await loader.deviceStatistics(interfaceName);
      const bytes = new TextEncoder().encode(JSON.stringify([...(found ?? [])]));
      keep('statistics', interfaceName, found?.size ?? 0, 0, bytes);
      return found;
    },
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
    stream: (map, layout, handle, options) => object.stream(map, layout, keep('stream', map, handle), options),
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
