import type { MetricReader } from '@retina/sdk';

export interface Loss {
  /** Flow records since the last time this was told. */
  readonly total: number;
  /** The same by cause: `queue_full`, `refused`, … */
  readonly causes: Readonly<Record<string, number>>;
  /** It was delivered: what comes next is counted from here. */
  told(): void;
  /** It was not: it is read again next time. */
  untold(): void;
}

const FAMILY = 'retina_export_lost_records_total';
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
    const causes: Record<string, number> = {};
    let total = 0;
    for (const [cause, records] of totals) {
      const more = records - (this.told.get(cause) ?? 0);
      if (more <= 0) continue;
      causes[cause] = more;
      total += more;
    }
    if (total === 0) return undefined;
    return { total, causes, told: () => void (this.told = totals), untold: () => void (this.next = 0) };
  }

  private totals(): ReadonlyMap<string, number> {
    const totals = new Map<string, number>();
    for (const family of this.metrics.families()) {
      if (family.name !== FAMILY) continue;
      const cause = family.labels.indexOf('cause');
      const exporter = family.labels.indexOf('exporter');
      if (cause < 0 || exporter < 0) break;
      for (let row = 0; row < family.size; row++) {
        if (family.live(row) && family.label(row, exporter) === this.instance) {
          totals.set(family.label(row, cause), family.value(row));
        }
      }
      break;
    }
    return totals;
  }
}
