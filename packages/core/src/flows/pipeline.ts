import type { FlowBatch, Flows, Logger } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';
import type { FlowHistory } from './history.ts';
import { IdentityStage } from './identity-stage.ts';
import { KeptRows } from './kept-rows.ts';
import { TranslationTable } from './nat.ts';
import { Selection } from './selection.ts';

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

/** What of a plugin's flow records nobody chose. */
export interface AsideStats {
  readonly source: string;
  readonly records: number;
  readonly packets: number;
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

/**
 * Where flow records pass: endpoints are resolved in place, the history keeps a copy, every sink sees the batch. Where pods are
 * selected, records of others end here.
 */
export class FlowPipeline {
  /** Records and batches that came, those that were left aside included. */
  records = 0;
  batches = 0;
  /** What the node is known to translate. */
  readonly translations = new TranslationTable();
  /** Which records go on. */
  readonly selection: Selection;
  private readonly endpoints: EndpointTable;
  private readonly history: FlowHistory | undefined;
  private readonly log: Logger | undefined;
  private readonly logEveryMs: number;
  private sinks: readonly Registered[] = [];
  /** By source. */
  private readonly aside = new Map<string, { records: number; packets: number }>();

  constructor(options: FlowPipelineOptions) {
    this.endpoints = options.endpoints;
    this.selection = new Selection(options.endpoints);
    this.history = options.history;
    this.log = options.log;
    this.logEveryMs = options.logEveryMs ?? 10_000;
  }

  /** What a plugin emits to and resolves by. Each run of a plugin gets one of its own: flow ids belong to it. */
  source(name: string): Pick<Flows, 'emit' | 'resolve' | 'selecting'> {
    const { selection } = this;
    const stage = new IdentityStage(this.endpoints, Date.now, this.translations, selection);
    const rows = new KeptRows();
    return {
      get selecting() {
        return selection.on;
      },
      emit: (batch) => {
        if (batch.length === 0) return;
        stage.resolve(batch);
        this.batches++;
        this.records += batch.length;
        const kept = selection.on ? rows.of(batch) : batch;
        if (kept !== batch) this.leave(name, rows);
        if (!kept) return;
        this.history?.append(kept);
        for (const sink of this.sinks) this.deliver(sink, kept, name);
      },
      resolve: (batch) => stage.resolve(batch),
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

  /** What nobody chose, by the plugin whose records they were. */
  asides(): readonly AsideStats[] {
    return [...this.aside].map(([source, counts]) => ({ source, ...counts }));
  }

  private leave(name: string, { records, packets }: KeptRows): void {
    let counts = this.aside.get(name);
    if (!counts) this.aside.set(name, (counts = { records: 0, packets: 0 }));
    counts.records += records;
    counts.packets += packets;
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
