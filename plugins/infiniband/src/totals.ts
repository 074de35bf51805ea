interface Entry {
  last: bigint;
  total: bigint;
  /** What the series shows: the sum of all that was added, in the same doubles. */
  shown: number;
}

/**
 * Turns totals that a device keeps into what is to be added to a series, so that the series shows the device's number:
 * 64 bits wide, past 2^53 rounded and never stuck; one that falls (the device was reset) goes on from zero.
 */
export class Totals {
  private readonly entries = new Map<string, Entry>();
  private readonly limit: number;

  /** `limit`: most series to remember. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** What to add for `value`, the total at the moment; undefined if there is no room to remember another series. */
  step(key: string, value: bigint): number | undefined {
    let entry = this.entries.get(key);
    if (!entry) {
      if (this.entries.size >= this.limit) return undefined;
      this.entries.set(key, (entry = { last: 0n, total: 0n, shown: 0 }));
    }
    entry.total += value >= entry.last ? value - entry.last : value;
    entry.last = value;
    const step = Math.max(0, Number(entry.total) - entry.shown);
    entry.shown += step;
    return step;
  }
}

const known = new WeakMap<object, Totals>();

/** The totals behind an instrument. They live as long as its series do, which outlast a reload of the plugin. */
export function totalsOf(instrument: object, limit: number): Totals {
  let totals = known.get(instrument);
  if (!totals) known.set(instrument, (totals = new Totals(limit)));
  return totals;
}
