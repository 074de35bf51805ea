import type { LoadedObject, RecordSource } from '@retina/loader';
import type {
  BpfHandle,
  FlowBatch,
  FlowSource,
  FlowSourceOptions,
  Layout,
  RecordBatch,
  StreamOptions,
  Table,
} from '@retina/sdk';
import type { TapService } from '../taps/service.ts';
import type { Run } from './run.ts';
import type { FlowSources } from './flow-sources.ts';

/** A loaded object as a plugin sees it: its handlers stand behind the guard, its flow sources know the taps. */
export class GuardedHandle implements BpfHandle {
  /** What it stands for; the tap service needs it. */
  readonly object: LoadedObject;
  private readonly name: string;
  private readonly run: Run;
  private readonly taps: TapService;
  private readonly sources: FlowSources;

  constructor(object: LoadedObject, name: string, run: Run, taps: TapService, sources: FlowSources) {
    this.object = object;
    object.onSourceFailure = (error) => run.failed(error);
    this.name = name;
    this.run = run;
    this.taps = taps;
    this.sources = sources;
  }

  get programs(): readonly string[] {
    return this.object.programs;
  }

  get maps(): readonly string[] {
    return this.object.maps;
  }

  attach(program: string): Disposable {
    return this.object.attach(program);
  }

  missed(program: string): number {
    return this.object.missed(program);
  }

  stream<L extends Layout>(
    map: string,
    layout: L,
    handle: (batch: RecordBatch<L>) => void,
    options?: StreamOptions,
  ): Disposable {
    return this.drained(this.object.stream(map, layout, this.counted(handle), options));
  }

  table<L extends Layout>(map: string, layout: L, ms: number, handle: (batch: RecordBatch<L>) => void): Table {
    const table = this.object.table(map, layout, ms, this.counted(handle));
    const owned = this.drained(table);
    return { pace: (next) => table.pace(next), [Symbol.dispose]: () => owned[Symbol.dispose]() };
  }

  counters(map: string): Float64Array {
    return this.object.counters(map);
  }

  flows(options: FlowSourceOptions, handle: (batch: FlowBatch) => void): FlowSource {
    const source = this.object.flows(options, this.run.guard.wrap(handle));
    const told = this.taps.describeTo(source);
    const counted = this.sources.add(this.name, source);
    const owned = this.drained(source, () => {
      told[Symbol.dispose]();
      counted[Symbol.dispose]();
    });
    return {
      stats: () => source.stats(),
      flush: () => source.flush(),
      annotate: (annotation) => source.annotate(annotation),
      [Symbol.dispose]: () => owned[Symbol.dispose](),
    };
  }

  /** A handler behind the guard; what the kernel lost before each batch is counted whether the plugin looks at it or not. */
  private counted<L extends Layout>(handle: (batch: RecordBatch<L>) => void): (batch: RecordBatch<L>) => void {
    const guarded = this.run.guard.wrap(handle);
    return (batch) => {
      if (batch.lost > 0) this.sources.lost(this.name, batch.lost);
      guarded(batch);
    };
  }

  /** A source whose last records are handed over when the scope ends, unless the plugin disposed of it before. */
  private drained(source: RecordSource, before: () => void = () => undefined): Disposable {
    const close = () => {
      before();
      source[Symbol.dispose]();
    };
    return this.run.scope.own('last records', close, () => source.flush());
  }

  lookup(map: string, key: Uint8Array): Uint8Array | undefined {
    return this.object.lookup(map, key);
  }

  update(map: string, key: Uint8Array, value: Uint8Array): void {
    this.object.update(map, key, value);
  }

  remove(map: string, key: Uint8Array): boolean {
    return this.object.remove(map, key);
  }
}
