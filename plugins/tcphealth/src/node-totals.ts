import { BUCKETS, type Context, What } from './declarations.ts';

const MICROS = 1e6;

/** Totals of a measure: counts by bucket, and their sum in seconds. */
interface Total {
  readonly counts: Float64Array;
  sum: number;
}

/** What the node's own families say: the sum over all endpoints. */
export class NodeTotals {
  private readonly context: Context;
  /** By measure and direction. */
  private readonly totals: readonly (readonly [Total, Total])[];
  /** Label ids: of connections opened here, of those accepted. */
  private readonly directions: readonly [number, number];

  constructor(context: Context) {
    this.context = context;
    this.totals = BUCKETS.map((buckets) => [empty(buckets), empty(buckets)]);
    this.directions = [context.label('egress'), context.label('ingress')];
  }

  /** Adds what one end point pair measured. */
  measure(what: number, accepted: 0 | 1, counts: ArrayLike<number>, micros: number): void {
    const total = this.totals[what]![accepted];
    for (let b = 0; b < total.counts.length; b++) total.counts[b]! += counts[b]!;
    total.sum += micros / MICROS;
  }

  /** Connections made (a set-up time each, if it is known) or ended (a duration each, if it is known). */
  events(what: number, accepted: 0 | 1, events: number): void {
    const { metrics } = this.context;
    if (what === What.DURATION) metrics.tcp_connections_closed_total.add(events, this.directions[accepted]);
    else if (what !== What.SETUP) return;
    else if (accepted) metrics.tcp_connections_accepted_total.add(events);
    else metrics.tcp_connections_opened_total.add(events);
  }

  /** Hands the histograms over. */
  publish(): void {
    const { metrics } = this.context;
    const families = [
      metrics.tcp_rtt_seconds,
      metrics.tcp_min_rtt_seconds,
      metrics.tcp_connection_setup_seconds,
      metrics.tcp_connection_duration_seconds,
    ];
    for (const [what, family] of families.entries()) {
      for (const accepted of [0, 1] as const) {
        const { counts, sum } = this.totals[what]![accepted];
        family.set(counts, sum, this.directions[accepted]);
      }
    }
  }
}

function empty(buckets: number): Total {
  return { counts: new Float64Array(buckets), sum: 0 };
}
