import type { FlowBatch } from './flow.ts';

/** OpenMetrics base units, and `packets`-like plain counts as no unit. */
export type Unit = 'bytes' | 'seconds' | 'milliseconds' | 'ratio' | 'nanoseconds';

interface MetricBase {
  /** One sentence, shown to whoever scrapes. */
  readonly help: string;
  readonly unit?: Unit;
  /** Label names, in order. Values are ids from `ctx.label(text)` or of a declared domain. */
  readonly labels?: readonly string[];
  /** Most series this family may have; past it samples go to the overflow series (every label "overflow"). Default 10 000, pod scope 100 000. */
  readonly maxSeries?: number;
}

/** A family of series by node-level labels. Its full name is `networkobservability_` + its key in `metrics`. */
export interface CounterSpec extends MetricBase {
  readonly kind: 'counter';
  readonly scope?: 'node';
}
/** A family of values that go up and down, by node-level labels. */
export interface GaugeSpec extends MetricBase {
  readonly kind: 'gauge';
  readonly scope?: 'node';
}
/** A family of distributions, by node-level labels. */
export interface HistogramSpec extends MetricBase {
  readonly kind: 'histogram';
  readonly scope?: 'node';
  readonly buckets: Buckets;
}

/** Bounds that double every 2^scale buckets (scale 0: each doubles the last; 1: by the square root of 2). OpenTelemetry and native histograms of Prometheus have the same bounds. */
export interface ExponentialBuckets {
  readonly scale: 0 | 1 | 2 | 3;
  /** Lowest and highest bound, in the family's unit; both are moved outwards to a power of 2^(2^-scale). */
  readonly from: number;
  readonly to: number;
}
/** Upper bounds, ascending, without +Inf; or where exponential ones begin and end. New families of latencies take the latter. */
export type Buckets = readonly number[] | ExponentialBuckets;

/**
 * A pod-level family: the host adds the context labels that MetricsConfiguration asks for (ip, namespace, podname, …),
 * decides which flow records count (each packet once, at the endpoint's own interface) and ends series with their endpoint.
 * Label order: `labels`, then `direction` when asked for, then context, then additional labels.
 */
export interface PodCounterSpec extends MetricBase {
  readonly kind: 'counter';
  readonly scope: 'pod';
  /** Its name in MetricsConfiguration's `contextOptions[].metricName`, such as `forward_count`. */
  readonly option: string;
  /** Adds a `direction` label. */
  readonly direction?: boolean;
  /** Additional labels that MetricsConfiguration may switch on. */
  readonly additional?: readonly 'is_reply'[];
}

/** Observations per flow record, by the same rules as {@link PodCounterSpec}. */
export interface PodHistogramSpec extends MetricBase {
  readonly kind: 'histogram';
  readonly scope: 'pod';
  readonly option: string;
  readonly direction?: boolean;
  readonly buckets: Buckets;
}

/** The declaration of one family. */
export type MetricSpec = CounterSpec | GaugeSpec | HistogramSpec | PodCounterSpec | PodHistogramSpec;
/** The families of a plugin by their names without `networkobservability_`. */
export type MetricSpecs = Readonly<Record<string, MetricSpec>>;

/** One label id per declared label: a wrong number of them is a compile error. */
export type LabelIds<L extends readonly string[] | undefined> = L extends readonly string[]
  ? { readonly [I in keyof L]: number }
  : readonly [];

type Ids<S extends MetricSpec> = LabelIds<S['labels']>;

/** Writes a counter. Calls cost no allocation; `I` are label ids in the order of the declaration. */
export interface Counter<I extends readonly number[] = readonly number[]> {
  /** Adds `value` ≥ 0 to the series of these label ids, creating it. */
  add(value: number, ...labels: I): void;
  /** For totals kept elsewhere (a kernel counter): sets the series to `total`; one that falls is taken as a restart from zero and only ever adds. */
  set(total: number, ...labels: I): void;
}
/** Writes a gauge: a value that goes up and down. Calls cost no allocation. */
export interface Gauge<I extends readonly number[] = readonly number[]> {
  /** Sets the series of these label ids, creating it. In the family's unit. */
  set(value: number, ...labels: I): void;
  /** Adds to the series of these label ids, creating it at 0; `value` may be negative. */
  add(value: number, ...labels: I): void;
  /** Ends one series. */
  remove(...labels: I): void;
  /** Ends every series: a poller clears, then sets what it found, so that what vanished is not reported. */
  clear(): void;
}
/** Writes a histogram. Calls cost no allocation. */
export interface Histogram<I extends readonly number[] = readonly number[]> {
  /** In the family's unit. */
  observe(value: number, ...labels: I): void;
  /**
   * For histograms kept elsewhere (in the kernel): sets the series to `counts` by bucket, not cumulative, the last one +Inf, and
   * their `sum`. Totals that fall are taken as a restart from zero and only ever add.
   */
  set(counts: ArrayLike<number>, sum: number, ...labels: I): void;
}
/** Writes a pod-level counter: the host adds the context labels and decides which rows count. */
export interface PodCounter<I extends readonly number[] = readonly number[]> {
  /** Adds `value` for the flow record `row` of `batch`, which must have passed the host's identity stage (see `ctx.flows`). */
  add(value: number, batch: FlowBatch, row: number, ...labels: I): void;
}

/** Writes a pod-level histogram, by the same rules as {@link PodCounter}. */
export interface PodHistogram<I extends readonly number[] = readonly number[]> {
  /** `value` in the family's unit, for the flow record `row` of `batch`, which must have passed the host's identity stage. */
  observe(value: number, batch: FlowBatch, row: number, ...labels: I): void;
  /**
   * For observations counted elsewhere (in the kernel): adds `counts` by bucket since the last call, not cumulative, the last one
   * +Inf, and their `sum`.
   */
  add(counts: ArrayLike<number>, sum: number, batch: FlowBatch, row: number, ...labels: I): void;
}

/** What a declaration is written with: its kind and scope decide, its labels become the parameters. */
export type InstrumentOf<S extends MetricSpec> = S extends PodCounterSpec
  ? PodCounter<Ids<S>>
  : S extends PodHistogramSpec
    ? PodHistogram<Ids<S>>
    : S extends CounterSpec
      ? Counter<Ids<S>>
      : S extends GaugeSpec
        ? Gauge<Ids<S>>
        : S extends HistogramSpec
          ? Histogram<Ids<S>>
          : never;

/** The instruments of a plugin, by the keys of its declarations. */
export type Instruments<M extends MetricSpecs> = { readonly [K in keyof M]: InstrumentOf<M[K]> };

/**
 * A family as an exporter sees it. Rows are addressed by index, 0 ≤ i < size; an unused row has `live(i)` false. Value and
 * labels of one row read in one turn of the event loop belong together, so a reader may pause between rows.
 */
export interface MetricFamily {
  /** Full name, prefix included. */
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly unit: Unit | undefined;
  readonly labels: readonly string[];
  readonly size: number;
  /** Whether row `i` is in use. */
  live(i: number): boolean;
  /** Counter or gauge value. */
  value(i: number): number;
  /** Text of label j of row i, not escaped. */
  label(i: number, j: number): string;
  /** Milliseconds since the Unix epoch at which row i was created. */
  created(i: number): number;
  /** Histograms only: upper bounds without +Inf, cumulative counts (one more than bounds, the last is +Inf), and the sum. */
  histogram?(i: number): {
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly sum: number;
    /** Where the bounds are exponential: bound i is 2^((first + i) / 2^scale). */
    readonly exponential?: { readonly scale: number; readonly first: number };
  };
}

/** Every family of the host, of plugins and of the agent itself. */
export interface MetricReader {
  /** All families, each once. Reading is live: there is no copy of the store. */
  families(): Iterable<MetricFamily>;
}
