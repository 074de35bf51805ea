/** What the figures of one run are compared by: another machine is slower or faster as a whole. */
export interface Scales {
  /** Nanoseconds of an empty program on the hook, by the kernel's own clock. */
  readonly emptyNanos: number;
  /** Milliseconds of a fixed piece of JavaScript. */
  readonly scriptMs: number;
}

/** One measured figure. */
export interface Figure {
  /** Stable key in the baseline, such as `kernel.ingress.ipv4.1000`. */
  readonly id: string;
  readonly title: string;
  readonly value: number;
  readonly unit: 'ns' | 'ms' | '%' | 'MiB' | '/s' | 'ratio';
  readonly better: 'lower' | 'higher';
  /** What docs promise, where they promise something. */
  readonly budget?: number;
  /** Compared after division by this scale; undefined: as it is. */
  readonly scale?: keyof Scales;
  /** How much worse than the baseline it may be, as a ratio: 1.3 is 30 %. */
  readonly tolerance: number;
  /** Differences below this, in its own unit, are noise whatever their ratio. */
  readonly noise: number;
  readonly note?: string;
}

export interface Report {
  readonly format: 1;
  readonly machine: { readonly kernel: string; readonly cpu: string; readonly cpus: number; readonly node: string };
  readonly quick: boolean;
  readonly scales: Scales;
  readonly figures: readonly Figure[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A quarter of the values lie below it. */
export function lowerQuartile(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 4)] ?? NaN;
}

/** Whether a figure keeps its budget; undefined where there is none. */
export function withinBudget(figure: Figure): boolean | undefined {
  if (figure.budget === undefined) return undefined;
  return figure.better === 'lower' ? figure.value <= figure.budget : figure.value >= figure.budget;
}
