import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FLOW_OFFSETS, FLOW_STRIDE, RetinaError } from '@retina/sdk';
import type { BpfMap, BpfProgram, DefaultRoute, LoadOptions, NamedNamespace, ObjectSpec, TapLink } from './types.ts';

/**
 * Called for each batch: index of the slab, records in it, records lost since the last batch. Slab -1: no records, but a loss
 * or an error; with an error the source has ended.
 */
export type OnBatch = (slab: number, rows: number, lost: number, error?: RetinaError) => void;

/** An open source of batches. */
export interface NativeSource {
  /** Memory the native thread writes batches to. */
  readonly slabs: readonly ArrayBuffer[];
  flush(): Promise<void>;
  stats(): unknown;
  send(message: Uint8Array): void;
  close(): void;
}

export interface NativeObject {
  readonly programs: readonly string[];
  readonly maps: readonly string[];
  program(name: string): BpfProgram;
  map(name: string): BpfMap;
  attach(program: string): Disposable;
  attachTap(program: string, ifindex: number, direction: string, mode?: string): Promise<TapLink>;
  counters(map: string): Float64Array;
  missed(program: string): number;
  /** `ms` 0: read when a record arrives. */
  openStream(map: string, stride: number, ms: number, onBatch: OnBatch): NativeSource;
  openTable(map: string, stride: number, ms: number, onBatch: OnBatch): NativeSource;
  openFlows(options: object, onBatch: OnBatch): NativeSource;
  close(): void;
}

export interface NativeSpec extends Omit<ObjectSpec, 'load'> {
  load(options?: LoadOptions): Promise<NativeObject>;
  close(): void;
}

/** What the addon exports. Everything that can fail throws or rejects with a RetinaError. */
export interface Native {
  initialize(error: typeof RetinaError): void;
  readonly flowLayout: { readonly stride: number; readonly offsets: Readonly<Record<string, number>> };
  openObject(path: string): NativeSpec;
  createMap(spec: object): BpfMap;
  settled(): Promise<void>;
  returnMemory(): void;
  removeStaleFilters(): Promise<number>;
  features(): Record<string, unknown>;
  tracepointArguments(name: string): number;
  /** Frees the kernel's types, kept by the questions before. */
  releaseTypes(): void;
  /** value, name, value, name, … */
  enumNames(name: string): (number | string)[];
  /** Network records, see network.ts. */
  interfaces(): Promise<Uint8Array>;
  addresses(): Promise<Uint8Array>;
  addressesIn(path: string): Promise<Uint8Array>;
  defaultRoutes(): Promise<DefaultRoute[]>;
  namedNamespaces(): Promise<NamedNamespace[]>;
  watchNetwork(onBatch: OnBatch): NativeSource;
  netlinkRequest(family: number, type: number, flags: number, payload: Uint8Array, onBatch: OnBatch): NativeSource;
  /** `filter`: header, attribute, mask; or empty. */
  netlinkSubscribe(family: number, groups: Uint32Array, filter: Uint32Array, onBatch: OnBatch): NativeSource;
  /** name, value, name, value, … */
  deviceStatistics(interfaceName: string): Promise<(string | number)[] | undefined>;
  ownNetns(): number;
  /** SO_NETNS_COOKIE of this process's network namespace; undefined before Linux 5.14. */
  netnsCookie(): bigint | undefined;
  kernelSymbol(address: bigint): string | undefined;
  readKernelSymbols(): Promise<boolean>;
}

/** Where the addon may be, best first. */
function candidates(): string[] {
  const explicit = process.env['RETINA_LOADER_PATH'];
  if (explicit) return [explicit];
  const root = new URL('../', import.meta.url);
  return [`prebuilds/${process.platform}-${process.arch}/retina_loader.node`, 'build/Release/retina_loader.node'].map(
    (path) => fileURLToPath(new URL(path, root)),
  );
}

function missing(found: string, cause?: unknown): RetinaError {
  return new RetinaError('RETINA_NATIVE_MISSING', 'the native loader cannot be used', {
    found,
    needed: `an addon built for ${process.platform}-${process.arch}`,
    next: 'in a checkout run `pnpm --filter @retina/loader native` (needs a C++20 compiler, cmake, libbpf-dev, libelf-dev, zlib1g-dev)',
    cause,
  });
}

function checkLayout(layout: Native['flowLayout'], path: string): void {
  const differing = Object.entries(FLOW_OFFSETS).filter(([field, offset]) => layout.offsets[field] !== offset);
  if (layout.stride === FLOW_STRIDE && differing.length === 0) return;
  const fields = differing.map(([field, offset]) => `${field} at ${layout.offsets[field]} instead of ${offset}`);
  throw missing(
    `${path} writes flow records of another layout: stride ${layout.stride}, ${fields.join(', ') || 'same fields'}`,
  );
}

function load(): Native {
  const paths = candidates();
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) throw missing(`none of ${paths.join(', ')}`);
  let addon: Native;
  try {
    addon = createRequire(import.meta.url)(path) as Native;
  } catch (error) {
    throw missing(`${path}, which cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  addon.initialize(RetinaError);
  checkLayout(addon.flowLayout, path);
  return addon;
}

let loaded: Native | undefined;

/** The addon, loaded at first use. Throws RETINA_NATIVE_MISSING. */
export function native(): Native {
  return (loaded ??= load());
}
