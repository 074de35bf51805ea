import { fileURLToPath } from 'node:url';
import type { FlowBatch, FlowSourceOptions, Layout, RecordBatch, RetinaError, StreamOptions } from '@retina/sdk';
import { native } from './native.ts';
import type { NativeObject, NativeSpec } from './native.ts';
import { openFlows, openStream, openTable } from './sources.ts';
import type {
  BpfMap,
  BpfProgram,
  LoadedFlowSource,
  LoadedObject,
  LoadOptions,
  ObjectSpec,
  RecordSource,
  TableSource,
  TapLink,
} from './types.ts';

class Loaded implements LoadedObject {
  onSourceFailure: ((error: RetinaError) => void) | undefined;
  readonly #object: NativeObject;

  constructor(object: NativeObject) {
    this.#object = object;
  }

  get programs(): readonly string[] {
    return this.#object.programs;
  }
  get maps(): readonly string[] {
    return this.#object.maps;
  }
  map(name: string): BpfMap {
    return this.#object.map(name);
  }
  program(name: string): BpfProgram {
    return this.#object.program(name);
  }
  attach(program: string): Disposable {
    return this.#object.attach(program);
  }
  async attachTap(
    program: string,
    ifindex: number,
    direction: 'ingress' | 'egress',
    mode: 'auto' | 'tcx' | 'clsact' = 'auto',
  ): Promise<TapLink> {
    return await this.#object.attachTap(program, ifindex, direction, mode);
  }
  counters(map: string): Float64Array {
    return this.#object.counters(map);
  }
  stream<L extends Layout>(
    map: string,
    layout: L,
    handle: (batch: RecordBatch<L>) => void,
    options?: StreamOptions,
  ): RecordSource {
    return openStream(this.#object, map, layout, handle, this.#fail, options);
  }
  table<L extends Layout>(map: string, layout: L, ms: number, handle: (batch: RecordBatch<L>) => void): TableSource {
    return openTable(this.#object, map, layout, ms, handle, this.#fail);
  }
  flows(options: FlowSourceOptions, handle: (batch: FlowBatch) => void): LoadedFlowSource {
    return openFlows(this.#object, options, handle, this.#fail);
  }
  missed(program: string): number {
    return this.#object.missed(program);
  }
  lookup(map: string, key: Uint8Array): Uint8Array | undefined {
    return this.#object.map(map).lookup(key);
  }
  update(map: string, key: Uint8Array, value: Uint8Array): void {
    this.#object.map(map).update(key, value);
  }
  remove(map: string, key: Uint8Array): boolean {
    return this.#object.map(map).remove(key);
  }
  readonly #fail = (error: RetinaError): void => {
    if (!this.onSourceFailure) throw error;
    this.onSourceFailure(error);
  };
  [Symbol.dispose](): void {
    this.#object.close();
  }
}

class Spec implements ObjectSpec {
  readonly #spec: NativeSpec;

  constructor(spec: NativeSpec) {
    this.#spec = spec;
  }

  get programs() {
    return this.#spec.programs;
  }
  get maps() {
    return this.#spec.maps;
  }
  get constants() {
    return this.#spec.constants;
  }
  async load(options?: LoadOptions): Promise<LoadedObject> {
    return new Loaded(await this.#spec.load(options));
  }
  [Symbol.dispose](): void {
    this.#spec.close();
  }
}

/** Reads and parses an object file; needs no privileges. Throws RETINA_OBJECT_INVALID naming what it found. */
export function openObject(file: URL | string): ObjectSpec {
  return new Spec(native().openObject(typeof file === 'string' ? file : fileURLToPath(file)));
}
