import type { Instruments, MetricSpecs } from '@retina/sdk';
import type { MetricStore } from '../metrics/store.ts';
import type { CallOutcome } from './lane.ts';
import type { PushDriver, LossCause, PushEvents } from './push.ts';

const CALL_SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 5, 10, 30];

const SPECS = {
  retina_export_records_total: {
    kind: 'counter',
    help: 'Flow records that came for an exporter; each is delivered, lost, or waits.',
    labels: ['exporter'],
  },
  retina_export_delivered_records_total: {
    kind: 'counter',
    help: 'Flow records an exporter delivered.',
    labels: ['exporter'],
  },
  retina_export_lost_records_total: {
    kind: 'counter',
    help: 'Flow records that did not arrive, by cause.',
    labels: ['exporter', 'cause'],
  },
  retina_export_filtered_records_total: {
    kind: 'counter',
    help: "Flow records an exporter's flowRelabelConfigs left out.",
    labels: ['exporter'],
  },
  retina_export_refused_points_total: {
    kind: 'counter',
    help: 'Metric points a receiver refused.',
    labels: ['exporter'],
  },
  retina_export_calls_total: {
    kind: 'counter',
    help: 'Calls to deliver, by how they ended.',
    labels: ['exporter', 'signal', 'outcome'],
  },
  retina_export_call_seconds: {
    kind: 'histogram',
    unit: 'seconds',
    help: 'Time of one call to deliver.',
    buckets: CALL_SECONDS,
    labels: ['exporter', 'signal'],
  },
  retina_export_delivery_timestamp_seconds: {
    kind: 'gauge',
    unit: 'seconds',
    help: 'Last delivery that succeeded, since the Unix epoch.',
    labels: ['exporter', 'signal'],
  },
  retina_export_circuit_open: {
    kind: 'gauge',
    help: 'Whether delivery pauses after failures in a row: 1 while it does.',
    labels: ['exporter', 'signal'],
  },
  retina_export_queue_bytes: {
    kind: 'gauge',
    unit: 'bytes',
    help: "Memory of an exporter's queue of flow records.",
    labels: ['exporter'],
  },
  retina_export_queue_max_bytes: {
    kind: 'gauge',
    unit: 'bytes',
    help: 'Most memory that queue may take.',
    labels: ['exporter'],
  },
  retina_export_queue_records: { kind: 'gauge', help: 'Flow records that wait in that queue.', labels: ['exporter'] },
  retina_export_hidden_series: {
    kind: 'gauge',
    help: 'Series an exporter is not shown, by cause.',
    labels: ['exporter', 'cause'],
  },
} as const satisfies MetricSpecs;

/** Series left out of an exporter's view, by cause. */
export type HiddenSeries = Readonly<Record<'dropped' | 'limit' | 'collision', number>>;

export interface ExportReadings {
  readonly driver?: PushDriver;
  readonly hidden?: () => HiddenSeries;
}

type Counts = Omit<PushEvents, 'state' | 'stuck'> & { readonly filtered: (records: number) => void };

/** What the host measures of every exporter, by its instance. */
export class ExportMetrics {
  private readonly of: Instruments<typeof SPECS>;
  private readonly store: MetricStore;
  private readonly readings = new Map<string, ExportReadings>();

  constructor(store: MetricStore) {
    this.store = store;
    this.of = store.open('export', SPECS, '').instruments;
    store.onCollect(() => this.collect());
  }

  /** Counts for one exporter. */
  counts(instance: string): Counts {
    const { of } = this;
    const id = (text: string) => this.id(text);
    const own = id(instance);
    return {
      seen: (records) => of.retina_export_records_total.add(records, own),
      delivered: (records) => of.retina_export_delivered_records_total.add(records, own),
      lost: (cause: LossCause, records) => of.retina_export_lost_records_total.add(records, own, id(cause)),
      filtered: (records) => of.retina_export_filtered_records_total.add(records, own),
      refusedPoints: (points) => of.retina_export_refused_points_total.add(points, own),
      called: (signal, outcome: CallOutcome, seconds) => {
        of.retina_export_calls_total.add(1, own, id(signal), id(outcome));
        of.retina_export_call_seconds.observe(seconds, own, id(signal));
        if (outcome === 'delivered' || outcome === 'partial') {
          of.retina_export_delivery_timestamp_seconds.set(Date.now() / 1000, own, id(signal));
        }
      },
      circuit: (signal, open) => of.retina_export_circuit_open.set(open ? 1 : 0, own, id(signal)),
    };
  }

  /** Shows what can only be read, until the result is disposed of. */
  show(instance: string, readings: ExportReadings): Disposable {
    this.readings.set(instance, readings);
    return {
      [Symbol.dispose]: () => {
        if (this.readings.get(instance) !== readings) return;
        this.readings.delete(instance);
        for (const signal of ['metrics', 'flows']) {
          this.of.retina_export_circuit_open.remove(this.id(instance), this.id(signal));
          this.of.retina_export_delivery_timestamp_seconds.remove(this.id(instance), this.id(signal));
        }
      },
    };
  }

  private id(text: string): number {
    return this.store.labels.domain('export').id(text);
  }

  private collect(): void {
    const { of } = this;
    const id = (text: string) => this.id(text);
    for (const gauge of [
      of.retina_export_queue_bytes,
      of.retina_export_queue_max_bytes,
      of.retina_export_queue_records,
    ]) {
      gauge.clear();
    }
    of.retina_export_hidden_series.clear();
    for (const [instance, { driver, hidden }] of this.readings) {
      const own = id(instance);
      if (driver) {
        of.retina_export_queue_bytes.set(driver.queue.bytes, own);
        of.retina_export_queue_max_bytes.set(driver.queue.maxBytes, own);
        of.retina_export_queue_records.set(driver.queue.length, own);
      }
      for (const [cause, series] of Object.entries(hidden?.() ?? {})) {
        of.retina_export_hidden_series.set(series, own, id(cause));
      }
    }
  }
}
