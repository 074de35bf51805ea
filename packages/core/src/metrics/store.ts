import type { Instruments, MetricFamily, MetricReader, MetricSpec, MetricSpecs } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';
import { checkSpecs, sameShape, samplesOf } from './declare.ts';
import type { Family, FamilyDescription, FamilyHost } from './family.ts';
import { histogramFamily, HistogramFamily } from './histogram.ts';
import { counterFamily, CounterFamily, GaugeFamily } from './instruments.ts';
import { LabelTable } from './labels.ts';
import { PodFamilies } from './pod-families.ts';
import type { PodInstrument } from './pod-family.ts';
import type { PodMetricsConfig } from './pod-options.ts';

export interface MetricStoreOptions {
  readonly endpoints: EndpointTable;
  /** Shared with whoever names label ids; a new one by default. */
  readonly labels?: LabelTable;
  readonly pods?: PodMetricsConfig;
  /** How long series outlive their endpoint, in milliseconds: two scrape intervals. Default 60 000. */
  readonly lingerMs?: number;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** A family reached its cap and further label tuples go to its overflow series. */
  readonly onOverflow?: (family: string, maxSeries: number) => void;
}

/** A plugin's metrics, for as long as it runs. */
export interface OpenMetrics<M extends MetricSpecs> extends Disposable {
  readonly instruments: Instruments<M>;
}

interface Registered {
  readonly owner: string;
  readonly spec: MetricSpec;
  readonly instrument: CounterFamily | GaugeFamily | HistogramFamily | PodInstrument;
}

/** Metrics of the store itself, under their full names. */
const OWN = {
  controlplane_networkobservability_expired_metrics_counter: {
    kind: 'counter',
    help: 'Series that ended because their endpoint went or because they had no sample for their TTL.',
    labels: ['metric'],
  },
  retina_metric_overflow_total: {
    kind: 'counter',
    help: "Samples that went to a family's overflow series because the family is full.",
    labels: ['metric'],
  },
  retina_metric_series: { kind: 'gauge', help: 'Series of a family.', labels: ['metric'] },
} as const satisfies MetricSpecs;

/**
 * Every metric of plugins and host. Samples are addressed by integers; strings are made when a reader asks. Counters of a
 * plugin survive its reload, so that rates go on; `remove` ends them.
 */
export class MetricStore implements MetricReader {
  readonly labels: LabelTable;
  private readonly registered = new Map<string, Registered>();
  private readonly names = new Map<string, string>();
  private readonly pods: PodFamilies;
  private readonly host: FamilyHost;
  private readonly collectors = new Set<() => void>();
  private readonly readers = new Set<MetricReader>();
  private readonly own: Instruments<typeof OWN>;

  constructor(options: MetricStoreOptions) {
    const now = options.now ?? Date.now;
    this.labels = options.labels ?? new LabelTable();
    this.host = {
      now,
      text: (id) => this.labels.text(id),
      overflowed: (family) => options.onOverflow?.(family.name, family.maxSeries),
    };
    this.pods = new PodFamilies(
      this.host,
      options.endpoints,
      options.lingerMs ?? 60_000,
      options.pods ?? { context: 'local' },
    );
    this.own = this.open('host', OWN, '').instruments;
  }

  /**
   * Declares the families of an owner and hands out their instruments. Declaring the same again, after a reload, gives
   * instruments on the same series. Disposing ends gauges; counters stay.
   * @throws RETINA_METRIC_INVALID when a declaration breaks a rule or a name is taken.
   */
  open<const M extends MetricSpecs>(owner: string, specs: M, prefix = 'networkobservability_'): OpenMetrics<M> {
    checkSpecs(owner, specs, prefix, (name) => this.names.get(name));
    const instruments: Record<string, Registered['instrument']> = {};
    for (const [key, spec] of Object.entries(specs)) instruments[key] = this.register(owner, prefix + key, spec);
    return {
      instruments: instruments as unknown as Instruments<M>,
      [Symbol.dispose]: () => {
        for (const instrument of Object.values(instruments)) if (instrument instanceof GaugeFamily) instrument.clear();
      },
    };
  }

  /** Ends every family of an owner: it is no longer in the configuration. */
  remove(owner: string): void {
    for (const [name, entry] of this.registered) if (entry.owner === owner) this.unregister(name, entry);
    this.pods.remove(owner);
  }

  /** Applies another pod-level configuration: families whose labels change start anew, all others stay as they are. */
  configurePods(config: PodMetricsConfig): void {
    this.pods.configure(config);
  }

  /** Runs `collect` before every reading, to refresh gauges. */
  onCollect(collect: () => void): Disposable {
    this.collectors.add(collect);
    return { [Symbol.dispose]: () => void this.collectors.delete(collect) };
  }

  /** Shows the families of another reader as well (process metrics, say). */
  include(reader: MetricReader): Disposable {
    this.readers.add(reader);
    return { [Symbol.dispose]: () => void this.readers.delete(reader) };
  }

  /** Ends series whose time has come. The host calls it about once a second. */
  sweep(): void {
    this.pods.sweep((name, count) => {
      this.own.controlplane_networkobservability_expired_metrics_counter.add(count, this.ownLabel(name));
    });
  }

  /** One family by its full name, as it stands: without running collectors first. */
  family(name: string): MetricFamily | undefined {
    const instrument = this.registered.get(name)?.instrument;
    return instrument && ('series' in instrument ? instrument.series : instrument);
  }

  *families(): Generator<MetricFamily> {
    for (const collect of this.collectors) collect();
    this.collectOwn();
    for (const { instrument } of this.registered.values()) {
      const family = 'series' in instrument ? instrument.series : instrument;
      if (family) yield family;
    }
    for (const reader of this.readers) yield* reader.families();
  }

  private register(owner: string, name: string, spec: MetricSpec): Registered['instrument'] {
    const known = this.registered.get(name);
    if (known && sameShape(known.spec, spec)) {
      const { instrument } = known;
      if (instrument instanceof CounterFamily || instrument instanceof HistogramFamily) instrument.restarted();
      this.pods.forget(owner);
      return known.instrument;
    }
    if (known) this.unregister(name, known);
    const description: FamilyDescription = {
      name,
      help: spec.help,
      kind: spec.kind,
      unit: spec.unit,
      labels: spec.labels ?? [],
      maxSeries: spec.maxSeries ?? (spec.scope === 'pod' ? 100_000 : 10_000),
    };
    const instrument =
      spec.scope === 'pod'
        ? this.pods.add(owner, description, spec)
        : spec.kind === 'counter'
          ? counterFamily(this.host, description)
          : spec.kind === 'gauge'
            ? new GaugeFamily(this.host, description)
            : histogramFamily(this.host, description, spec.buckets);
    this.registered.set(name, { owner, spec, instrument });
    for (const sample of samplesOf(name, spec)) this.names.set(sample, owner);
    return instrument;
  }

  private unregister(name: string, entry: Registered): void {
    this.registered.delete(name);
    for (const sample of samplesOf(name, entry.spec)) this.names.delete(sample);
    if ('series' in entry.instrument) this.pods.delete(entry.instrument);
  }

  private collectOwn(): void {
    this.own.retina_metric_series.clear();
    for (const { instrument } of this.registered.values()) {
      const family: Family | undefined = 'series' in instrument ? instrument.series : instrument;
      if (!family) continue;
      const label = this.ownLabel(family.name);
      this.own.retina_metric_series.set(family.count, label);
      if (family.overflowSamples > 0) this.own.retina_metric_overflow_total.set(family.overflowSamples, label);
    }
  }

  private ownLabel(name: string): number {
    return this.labels.domain('host').id(name);
  }
}
