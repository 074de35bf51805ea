import { setImmediate as turn } from 'node:timers/promises';
import type { RetinaError } from '@retina/sdk';
import { type FlowBatch, type Logger, type MetricReader, type PartialDelivery, type Sink } from '@retina/sdk';
import { Complaints } from './complaints.ts';
import { FlowQueue, rowsOf } from './flow-queue.ts';
import { Lane, withSignal, type CallOutcome } from './lane.ts';
import type { PushLimits } from './limits.ts';
import { again, count, failing, partlyRefused, partlyTaken } from './outcome.ts';

export type ExportSignal = 'metrics' | 'flows';
/** Why a flow record did not arrive. `away`: the exporter had failed and was not set up again yet, or was being replaced. */
export type LossCause = 'queue_full' | 'refused' | 'gave_up' | 'shutdown' | 'away';

export interface PushEvents {
  /** Flow records that came for this exporter: each is later delivered or lost. */
  seen(records: number): void;
  delivered(records: number): void;
  lost(cause: LossCause, records: number): void;
  /** Metric points a receiver refused. */
  refusedPoints(points: number): void;
  called(signal: ExportSignal, outcome: CallOutcome, seconds: number): void;
  circuit(signal: ExportSignal, open: boolean): void;
  /** Delivery fails (and why), or works again. */
  state(signal: ExportSignal, cause: RetinaError | undefined): void;
  /** The sink hangs: the exporter has to be set up afresh. */
  stuck(error: RetinaError): void;
}

export interface PushOptions {
  readonly sink: Sink;
  readonly reader: MetricReader;
  readonly limits: PushLimits;
  readonly log: Logger;
  readonly events: PushEvents;
  /** Runs a call of the sink, so that what goes astray in it is known to be the exporter's. */
  readonly inName?: <T>(work: () => T) => T;
  /** Rows of a batch that this exporter gets; undefined: all of them. */
  readonly select?: (batch: FlowBatch) => Uint32Array | undefined;
}

/** Time after which a loop over batches gives way to the rest of the process. */
const SLICE_MS = 3;

/** Drives a push exporter's sink: interval, queue, batches, deadlines, retries, circuit, and counts of what became of each record. */
export class PushDriver {
  readonly queue: FlowQueue;
  private readonly sink: Sink;
  private readonly reader: MetricReader;
  private readonly limits: PushLimits;
  private readonly events: PushEvents;
  private readonly log: Logger;
  private readonly select: PushOptions['select'];
  private readonly inName: <T>(work: () => T) => T;
  private readonly ended = new AbortController();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly lanes: Record<ExportSignal, Lane>;
  private readonly complaints: Record<ExportSignal, Complaints>;
  private pushing: Promise<unknown> | undefined;
  private draining: Promise<unknown> | undefined;
  /** Batches that are not full are taken too. */
  private emptying = false;
  private closing = false;

  constructor(options: PushOptions) {
    const { sink, limits, events } = options;
    this.sink = sink;
    this.reader = options.reader;
    this.limits = limits;
    this.events = events;
    this.log = options.log;
    this.select = options.select;
    this.inName = options.inName ?? ((work) => work());
    this.queue = new FlowQueue(limits.queueBytes, limits.batch);
    const lane = (signal: ExportSignal) =>
      new Lane(limits, this.ended.signal, {
        called: (outcome, seconds) => events.called(signal, outcome, seconds),
        circuit: (open) => events.circuit(signal, open),
        stuck: (error) => events.stuck(error),
      });
    this.lanes = { metrics: lane('metrics'), flows: lane('flows') };
    const complaints = (signal: ExportSignal) => new Complaints((cause) => events.state(signal, cause));
    this.complaints = { metrics: complaints('metrics'), flows: complaints('flows') };
    if (sink.metrics) this.timers.push(setInterval(() => this.push(), limits.intervalMs));
    if (sink.flows) this.timers.push(setInterval(() => this.drain(true), limits.waitMs));
  }

  /** Counts a batch that comes while the exporter is being set up afresh. */
  missed(batch: FlowBatch): void {
    const records = this.select?.(batch)?.length ?? batch.length;
    if (records === 0) return;
    this.events.seen(records);
    this.events.lost('away', records);
  }

  /** Takes a borrowed batch. */
  flows(batch: FlowBatch): void {
    if (!this.sink.flows || batch.length === 0) return;
    const rows = this.select?.(batch);
    const records = rows?.length ?? batch.length;
    if (records === 0) return;
    this.events.seen(records);
    const lost = this.queue.push(batch, rows);
    if (lost > 0) this.events.lost('queue_full', lost);
    if (this.queue.ready) this.drain(false);
  }

  /** Delivers what waits and the last state of the metrics, as far as `ms` milliseconds allow; the rest is counted. */
  async stop(ms: number): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.closing = true;
    for (const lane of Object.values(this.lanes)) lane.close();
    const deadline = setTimeout(() => this.ended.abort(), Math.max(1, ms));
    const lastPush = async () => {
      await this.pushing;
      this.push();
      await this.pushing;
    };
    this.drain(true);
    await Promise.all([this.draining, lastPush()]);
    this.drain(true);
    await this.draining;
    try {
      const { signal } = this.ended;
      if (this.sink.flush)
        await withSignal(
          this.inName(async () => this.sink.flush!(signal)),
          signal,
        );
    } catch (error) {
      this.log.warn('an exporter could not flush', { error: String(error) });
    } finally {
      clearTimeout(deadline);
      this.ended.abort();
    }
  }

  private push(): void {
    if (!this.sink.metrics || this.ended.signal.aborted) return;
    this.pushing ??= this.pushAll().finally(() => (this.pushing = undefined));
  }

  private async pushAll(): Promise<void> {
    const { metrics: lane } = this.lanes;
    const until = performance.now() + Math.min(this.limits.intervalMs, this.limits.giveUpMs);
    for (let error: RetinaError | undefined; ;) {
      // What is not delivered when the next push is due would be old news.
      if (!this.closing && performance.now() + lane.wait > until) {
        if (error) this.complaints.metrics.say(failing(error));
        return;
      }
      const call = (signal: AbortSignal) => this.inName(() => this.sink.metrics!(this.reader, signal));
      const result = await lane.attempt(call);
      if (result.outcome === 'ended') return;
      if (result.outcome === 'refused') return this.complaints.metrics.say(result.error);
      if (!('error' in result)) {
        const refused = count(result.partial.refused, Infinity);
        if (refused > 0) this.events.refusedPoints(refused);
        this.judge('metrics', refused, result.partial.cause);
        return;
      }
      ({ error } = result);
      if (lane.broken) this.complaints.metrics.say(failing(error));
    }
  }

  private drain(all: boolean): void {
    this.emptying ||= all;
    this.draining ??= this.drainAll().finally(() => (this.draining = undefined));
  }

  private async drainAll(): Promise<void> {
    let sliceEnd = performance.now() + SLICE_MS;
    while (this.queue.ready || this.emptying) {
      const batch = this.queue.take();
      if (!batch) {
        this.emptying = false;
        return;
      }
      await this.deliver(batch);
      if (performance.now() < sliceEnd) continue;
      await turn();
      sliceEnd = performance.now() + SLICE_MS;
    }
  }

  /** Ends with every record of the batch counted, as delivered or as lost. */
  private async deliver(batch: FlowBatch): Promise<void> {
    const { flows: lane } = this.lanes;
    const left: Promise<void>[] = [];
    let parcel = batch;
    let until = Infinity;
    const call = (signal: AbortSignal) => {
      until = Math.min(until, performance.now() + this.limits.giveUpMs);
      return this.inName(() => this.sink.flows!(parcel, signal));
    };
    for (;;) {
      const result = await lane.attempt(call, left);
      if (result.outcome === 'ended') this.events.lost('shutdown', parcel.length);
      else if (result.outcome === 'refused') this.lose('refused', parcel.length, result.error);
      else if ('error' in result) {
        if (lane.broken) this.complaints.flows.say(failing(result.error)); // nobody waits to hear of it until a batch is given up
        if (performance.now() + lane.wait <= until) continue;
        this.lose('gave_up', parcel.length, failing(result.error));
      } else {
        const rows = again(result.partial.retry, parcel.length);
        this.arrived(parcel.length - rows.length, result.partial);
        if (rows.length > 0) {
          parcel = rowsOf(parcel, rows);
          if (performance.now() + lane.wait <= until) continue;
          this.lose('gave_up', parcel.length, failing(partlyTaken(result.partial)));
        }
      }
      return this.queue.release(batch, left.length === 0);
    }
  }

  /** `records` are not to be sent again; some of them may have been refused. */
  private arrived(records: number, partial: PartialDelivery): void {
    const refused = count(partial.refused, records);
    if (refused > 0) this.events.lost('refused', refused);
    if (records > refused) this.events.delivered(records - refused);
    this.judge('flows', refused, partial.cause);
  }

  private lose(cause: LossCause, records: number, error: RetinaError): void {
    this.events.lost(cause, records);
    this.complaints.flows.say(error);
  }

  private judge(signal: ExportSignal, refused: number, cause: string | undefined): void {
    if (refused === 0) return this.complaints[signal].fine();
    this.complaints[signal].say(partlyRefused(signal, cause));
  }
}
