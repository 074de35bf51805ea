import type { MetricReader } from '@retina/sdk';

export interface Loss {
  /** Flow records since the last time this was told. */
  readonly total: number;
  /** The same by stage: `export_queue`, `export`, … */
  readonly stages: Readonly<Record<string, number>>;
  /** It was delivered: what comes next is counted from here. */
  told(): void;
  /** It was not: it is read again next time. */
  untold(): void;
}

const FAMILY = 'retina_lost_records_total';
/** Reading the agent's metrics is not free. */
const BETWEEN_MS = 5000;

/** What the host counts as lost on the way to this exporter, as differences. */
export class LossTrace {
  private readonly metrics: MetricReader;
  private readonly instance: string;
  private told: ReadonlyMap<string, number>;
  private next = 0;

  constructor(metrics: MetricReader, instance: string) {
    this.metrics = metrics;
    this.instance = instance;
    this.told = this.totals();
  }

  /** Undefined where nothing was lost, or it was read a moment ago. */
  read(now = performance.now()): Loss | undefined {
    if (now < this.next) return undefined;
    this.next = now + BETWEEN_MS;
    const totals = this.totals();
    const stages: Record<string, number> = {};
    let total = 0;
    for (const [stage, records] of totals) {
      const more = records - (this.told.get(stage) ?? 0);
      if (more <= 0) continue;
      stages[stage] = more;
      total += more;
    }
    if (total === 0) return undefined;
    return { total, stages, told: () => void (this.told = totals), untold: () => void (this.next = 0) };
  }

  private totals(): ReadonlyMap<string, number> {
    const totals = new Map<string, number>();
    for (const family of this.metrics.families()) {
      if (family.name !== FAMILY) continue;
      const stage = family.labels.indexOf('stage');
      const component = family.labels.indexOf('component');
      if (stage < 0 || component < 0) break;
      for (let row = 0; row < family.size; row++) {
        if (family.live(row) && family.label(row, component) === this.instance) {
          totals.set(family.label(row, stage), family.value(row));
        }
      }
      break;
    }
    return totals;
  }
}
