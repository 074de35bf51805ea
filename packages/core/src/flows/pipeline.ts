import { type Flows, type FlowBatch, type Logger, Direction, Observation } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';
import { resized } from '../metrics/series-table.ts';
import type { FlowHistory } from './history.ts';

/** A consumer of flow records. The batch is borrowed: valid until the call returns. */
export type FlowSink = (batch: FlowBatch, source: string) => void;

export interface SinkStats {
  readonly name: string;
  readonly batches: number;
  readonly records: number;
  /** Batches and records the sink threw at; the others went on. */
  readonly failedBatches: number;
  readonly failedRecords: number;
}

export interface FlowPipelineOptions {
  readonly endpoints: EndpointTable;
  /** Keeps every record that passes, if given. */
  readonly history?: FlowHistory;
  readonly log?: Logger;
  /** Milliseconds between two log lines about one failing sink. Default 10 000. */
  readonly logEveryMs?: number;
}

interface Registered {
  readonly name: string;
  readonly sink: FlowSink;
  batches: number;
  records: number;
  failedBatches: number;
  failedRecords: number;
  nextLog: number;
}

const CELLS = 4; // epoch, source, destination, tap

/** Where flow records pass: endpoints are resolved in place, the history keeps a copy, every sink sees the batch. */
export class FlowPipeline {
  /** Records and batches that passed. */
  records = 0;
  batches = 0;
  private readonly endpoints: EndpointTable;
  private readonly history: FlowHistory | undefined;
  private readonly log: Logger | undefined;
  private readonly logEveryMs: number;
  private sinks: readonly Registered[] = [];

  constructor(options: FlowPipelineOptions) {
    this.endpoints = options.endpoints;
    this.history = options.history;
    this.log = options.log;
    this.logEveryMs = options.logEveryMs ?? 10_000;
  }

  /** What a plugin emits to. Each run of a plugin gets one of its own: flow ids belong to it. */
  source(name: string): Flows {
    const stage = new IdentityStage(this.endpoints);
    return {
      emit: (batch) => {
        if (batch.length === 0) return;
        stage.resolve(batch);
        this.batches++;
        this.records += batch.length;
        this.history?.append(batch);
        for (const sink of this.sinks) this.deliver(sink, batch, name);
      },
    };
  }

  /** Adds a consumer. What it throws is counted and logged, and stops nobody else. */
  addSink(name: string, sink: FlowSink): Disposable {
    const entry: Registered = { name, sink, batches: 0, records: 0, failedBatches: 0, failedRecords: 0, nextLog: 0 };
    this.sinks = [...this.sinks, entry];
    return { [Symbol.dispose]: () => void (this.sinks = this.sinks.filter((s) => s !== entry)) };
  }

  stats(): readonly SinkStats[] {
    return this.sinks.map(({ sink: _, nextLog: __, ...stats }) => stats);
  }

  private deliver(entry: Registered, batch: FlowBatch, source: string): void {
    entry.batches++;
    entry.records += batch.length;
    try {
      entry.sink(batch, source);
    } catch (error) {
      entry.failedBatches++;
      entry.failedRecords += batch.length;
      const now = Date.now();
      if (now < entry.nextLog) return;
      entry.nextLog = now + this.logEveryMs;
      this.log?.error('a flow sink failed; the others go on', {
        sink: entry.name,
        error,
        failedRecords: entry.failedRecords,
      });
    }
  }
}

/**
 * Writes endpoint ids into flow records: by interface or namespace first, by address second. What was found is
 * remembered by flow id until the flow's slot has a new owner or identity changes.
 */
export class IdentityStage {
  private readonly endpoints: EndpointTable;
  private cache = new Uint32Array(1024 * CELLS);

  constructor(endpoints: EndpointTable) {
    this.endpoints = endpoints;
  }

  resolve(batch: FlowBatch): void {
    const { endpoints } = this;
    for (let row = 0; row < batch.length; row++) {
      const flow = batch.flowId(row);
      const at = flow * CELLS;
      if (flow !== 0 && at < this.cache.length && this.cache[at] === endpoints.epoch && batch.fresh(row) === 0) {
        const { cache } = this;
        batch.setEndpoints(row, cache[at + 1]!, cache[at + 2]!, cache[at + 3]!);
      } else this.lookUp(batch, row, flow);
    }
  }

  private lookUp(batch: FlowBatch, row: number, flow: number): void {
    const { endpoints } = this;
    const observation = batch.observation(row);
    const s = (i: number) => batch.sourceWord(row, i);
    const d = (i: number) => batch.destinationWord(row, i);
    let source = endpoints.find(s(0), s(1), s(2), s(3));
    let destination = endpoints.find(d(0), d(1), d(2), d(3));
    let tap = 0;
    if (observation === Observation.HOST) {
      // The interface of a kernel event may be one inside another namespace: its index means nothing here.
      tap = endpoints.byNetns(batch.netns(row));
      if (tap !== 0 && !endpoints.isHost(tap)) {
        // Loopback means the namespace itself; and what nobody knows there is its own end, by the direction.
        if (isLoopback(s) || (source === 0 && destination !== tap && batch.direction(row) !== Direction.INGRESS))
          source = tap;
        if (isLoopback(d) || (destination === 0 && source !== tap)) destination = tap;
      }
    } else if (observation === Observation.FROM_ENDPOINT || observation === Observation.TO_ENDPOINT) {
      tap = endpoints.byInterface(batch.ifindex(row)) || endpoints.byNetns(batch.netns(row));
      if (observation === Observation.TO_ENDPOINT) destination = tap || destination;
      else if (tap !== 0) {
        if (source === 0) endpoints.learn(tap, s(0), s(1), s(2), s(3));
        source = tap;
      }
    }
    batch.setEndpoints(row, source, destination, tap);
    if (flow === 0) return;
    const at = flow * CELLS;
    if (at >= this.cache.length) this.grow(at);
    this.cache[at] = endpoints.epoch;
    this.cache[at + 1] = source;
    this.cache[at + 2] = destination;
    this.cache[at + 3] = tap;
  }

  private grow(at: number): void {
    let length = this.cache.length;
    while (length <= at) length *= 2;
    this.cache = resized(this.cache, length);
  }
}

/** Whether an address, given word by word, is 127.0.0.0/8 or ::1. */
function isLoopback(word: (i: number) => number): boolean {
  if (word(0) !== 0 || word(1) !== 0) return false;
  return word(2) === 0xffff0000 ? (word(3) & 0xff) === 127 : word(2) === 0 && word(3) === 0x01000000;
}
