/**
 * Turns totals that the kernel or a device keeps into what is to be added to a series. Each source (an interface, the
 * kernel itself) has its own totals, so that a sum over sources does not fall when one of them goes; one that falls was
 * reset and goes on from zero.
 */
export class Totals {
  private readonly sources = new Map<string, Map<string, number>>();

  step(source: string, name: string, total: number): number {
    let last = this.sources.get(source);
    if (!last) this.sources.set(source, (last = new Map<string, number>()));
    const before = last.get(name) ?? 0;
    last.set(name, total);
    return total >= before ? total - before : total;
  }

  /** Forgets the sources that are no more. */
  keep(present: ReadonlySet<string>): void {
    for (const source of this.sources.keys()) if (!present.has(source)) this.sources.delete(source);
  }
}

const behind = new WeakMap<object, Totals>();

/** The totals behind an instrument. They live as long as its series do, which outlast a reload of the plugin. */
export function totalsOf(instrument: object): Totals {
  let totals = behind.get(instrument);
  if (!totals) behind.set(instrument, (totals = new Totals()));
  return totals;
}
