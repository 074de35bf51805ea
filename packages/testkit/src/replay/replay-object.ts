import {
  FLOW_STRIDE, FlowBatch, type FlowSourceOptions, type FlowSourceStats, type Layout, recordBatch,
  type RecordBatch, RetinaError,
} from '@retina/sdk'; // prettier-ignore
import type {
  BpfMap,
  BpfProgram,
  LoadedFlowSource,
  LoadedObject,
  RecordSource,
  TableSource,
  TapLink,
} from '@retina/loader';
import type { RecordedBatch, RecordedObject } from './recording.ts';
import { replayMap } from './replay-map.ts';

/** Whatever a plugin has open, by description; empty again when everything was released. */
export type OpenResources = Set<{ readonly what: string }>;

interface Listener {
  readonly source: 'stream' | 'table' | 'flows';
  readonly map: string;
  readonly layout: Layout | undefined;
  deliver(bytes: Uint8Array, records: number, lost: number): void;
}

/** A loaded object without a kernel: what it hands over is given to {@link deliver}. */
export class ReplayObject implements LoadedObject {
  readonly file: string;
  readonly programs: readonly string[];
  readonly maps: readonly string[];
  private readonly recorded: RecordedObject;
  private readonly open: OpenResources;
  private readonly listeners = new Set<Listener>();
  private readonly mapsByName = new Map<string, BpfMap>();
  private readonly lastCounters = new Map<string, Float64Array>();
  /** What ends with the object. Tap links do not: the chain may have moved them to another one. */
  private readonly held: Disposable[] = [];
  private readonly totals = { records: 0, packets: 0, bytes: 0 };

  constructor(recorded: RecordedObject, open: OpenResources) {
    this.recorded = recorded;
    this.file = recorded.file;
    this.programs = recorded.programs.map(({ name }) => name);
    this.maps = recorded.maps.map(({ name }) => name);
    this.open = open;
    this.hold(`object ${recorded.file}`);
  }

  /** Sources the plugin listens to now. */
  get sources(): readonly Pick<Listener, 'source' | 'map' | 'layout'>[] {
    return [...this.listeners];
  }

  /** Hands a batch to whoever listens to that source. False if nobody does. */
  deliver(batch: Pick<RecordedBatch, 'source' | 'map' | 'stride' | 'records' | 'lost' | 'bytes'>): boolean {
    if (batch.source === 'counters') {
      const { buffer, byteOffset } = batch.bytes;
      this.lastCounters.set(batch.map, new Float64Array(buffer.slice(byteOffset, byteOffset + 8 * batch.records)));
      return true;
    }
    let heard = false;
    for (const listener of [...this.listeners]) {
      if (listener.source !== batch.source || listener.map !== batch.map) continue;
      const stride = listener.layout?.stride ?? FLOW_STRIDE;
      if (stride !== batch.stride) {
        throw new RetinaError('RETINA_OBJECT_INVALID', `a recorded batch of ${this.file} has another layout`, {
          found: `${batch.stride} bytes per record of ${batch.map || 'flows'}`,
          needed: `${stride} bytes`,
          next: 'the object has changed since: record it again with root',
        });
      }
      listener.deliver(batch.bytes, batch.records, batch.lost);
      heard = true;
    }
    return heard;
  }

  attach(program: string): Disposable {
    this.program(program);
    return this.hold(`program ${program} of ${this.file}`);
  }

  stream<L extends Layout>(map: string, layout: L, handle: (batch: RecordBatch<L>) => void): RecordSource {
    return this.listen('stream', map, layout, (bytes, records, lost) =>
      handle(recordBatch(layout, bytes, records, lost)),
    );
  }

  table<L extends Layout>(map: string, layout: L, _ms: number, handle: (batch: RecordBatch<L>) => void): TableSource {
    const source = this.listen('table', map, layout, (bytes, records, lost) =>
      handle(recordBatch(layout, bytes, records, lost)),
    );
    return { ...source, pace: () => undefined };
  }

  counters(map: string): Float64Array {
    const info = this.recorded.maps.find(({ name }) => name === map);
    if (!info) throw this.unknown('map', map);
    return (
      this.lastCounters.get(map)?.slice() ?? new Float64Array((info.maxEntries * Math.ceil(info.valueSize / 8)) | 0)
    );
  }

  flows(_options: FlowSourceOptions, handle: (batch: FlowBatch) => void): LoadedFlowSource {
    const source = this.listen('flows', '', undefined, (bytes, records) => {
      const batch = new FlowBatch(bytes, records);
      for (let row = 0; row < records; row++) {
        this.totals.packets += batch.packets(row);
        this.totals.bytes += batch.bytes(row);
      }
      this.totals.records += records;
      handle(batch);
    });
    return {
      stats: () => ({ ...NO_FLOWS, ...this.totals }),
      flush: () => Promise.resolve(),
      annotate: () => undefined,
      setInterface: () => undefined,
      removeInterface: () => undefined,
      [Symbol.dispose]: () => source[Symbol.dispose](),
    };
  }

  onSourceFailure(): void {
    // A recording does not fail.
  }

  missed(program: string): number {
    this.program(program);
    return 0;
  }

  lookup(map: string, key: Uint8Array): Uint8Array | undefined {
    return this.map(map).lookup(key);
  }

  update(map: string, key: Uint8Array, value: Uint8Array): void {
    this.map(map).update(key, value);
  }

  remove(map: string, key: Uint8Array): boolean {
    return this.map(map).remove(key);
  }

  map(name: string): BpfMap {
    const info = this.recorded.maps.find((map) => map.name === name);
    if (!info) throw this.unknown('map', name);
    const known = this.mapsByName.get(name) ?? replayMap(info);
    this.mapsByName.set(name, known);
    return known;
  }

  program(name: string): BpfProgram {
    if (!this.programs.includes(name)) throw this.unknown('program', name);
    return {
      name,
      fd: -1,
      id: 0,
      testRun: () => {
        throw new RetinaError('RETINA_KERNEL_UNSUPPORTED', 'a replayed program cannot run', {
          next: 'test it with root',
        });
      },
      verified: { instructions: 0, jitedBytes: 0, verifiedInstructions: 0 },
      stats: () => ({ runs: 0, nanos: 0 }),
    };
  }

  attachTap(program: string, ifindex: number, direction: 'ingress' | 'egress'): Promise<TapLink> {
    this.program(program);
    const link = { what: `tap ${program} on ${ifindex} ${direction}` };
    this.open.add(link);
    const dispose = () => void this.open.delete(link);
    return Promise.resolve({ ifindex, direction, mode: 'tcx', update: () => undefined, [Symbol.dispose]: dispose });
  }

  [Symbol.dispose](): void {
    this.listeners.clear();
    for (const held of this.held) held[Symbol.dispose]();
  }

  private listen(
    source: Listener['source'],
    map: string,
    layout: Layout | undefined,
    deliver: Listener['deliver'],
  ): RecordSource {
    // a table is two hashes and what controls them
    const present = source === 'table' ? `${map}_control` : map;
    if (map && !this.maps.includes(present)) throw this.unknown('map', map);
    const listener: Listener = { source, map, layout, deliver };
    this.listeners.add(listener);
    const held = this.hold(`${source} ${map} of ${this.file}`);
    return {
      flush: () => Promise.resolve(),
      [Symbol.dispose]: () => {
        this.listeners.delete(listener);
        held[Symbol.dispose]();
      },
    };
  }

  private hold(what: string): Disposable {
    const resource = { what };
    this.open.add(resource);
    const held = { [Symbol.dispose]: () => void this.open.delete(resource) };
    this.held.push(held);
    return held;
  }

  private unknown(kind: string, name: string): RetinaError {
    return new RetinaError('RETINA_OBJECT_INVALID', `${this.file} has no ${kind} ${name}`, {
      found: (kind === 'map' ? this.maps : this.programs).join(', ') || 'none',
      next: 'if the object has it, the recording is older than the object: record it again with root',
    });
  }
}

const NO_FLOWS: FlowSourceStats = {
  records: 0, spilled: 0, packets: 0, bytes: 0, overflowPackets: 0, overflowBytes: 0, unattributed: {}, unparsed: {}, deferred: 0,
  skipped: 0, flows: 0, maxFlows: 0, memoryBytes: 0, ringFill: 0, drains: 0, drainNanos: 0, connections: 0, forwardPackets: 0, forwardBytes: 0, replyPackets: 0,
  replyBytes: 0,
}; // prettier-ignore
