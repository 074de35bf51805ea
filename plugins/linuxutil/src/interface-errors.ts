import { Drivers, type LinkStatistics, listLinks } from './interfaces.ts';
import type { Part } from './part.ts';
import { matcher } from './patterns.ts';
import { type Totals, totalsOf } from './totals.ts';

/** Of one driver: beyond it lie no counters. */
const MOST_STATISTICS = 4096;

/** What the drivers of the interfaces counted as errors and drops. */
export class InterfaceErrors {
  private readonly part: Part;
  private readonly drivers: Drivers;
  private readonly wanted: (name: string) => boolean;
  private readonly shown: (statistic: string) => boolean;
  /** Behind the series that has all interfaces, and behind those of each. */
  private readonly sum: Totals;
  private readonly each: Totals;

  constructor(part: Part) {
    const { config, devices, metrics } = part.ctx;
    const [included, excluded] = [matcher(config.includeInterfaces), matcher(config.excludeInterfaces)];
    this.part = part;
    this.drivers = new Drivers(devices);
    this.wanted = (name) => included(name) && !excluded(name);
    this.shown = matcher(config.interfaceStatistics);
    this.sum = totalsOf(metrics.interface_stats);
    this.each = totalsOf(this.sum);
  }

  async read(): Promise<void> {
    const { ctx, problems } = this.part;
    try {
      const links = await listLinks(ctx.netlink);
      const asked = links.filter(({ name }) => this.wanted(name));
      const answers = await this.drivers.ask(asked, ctx.signal, (error) => problems.caught('ethtool', error));
      if (ctx.signal.aborted) return;
      for (const answer of answers) this.add(answer);
      const present = new Set(links.map(sourceOf));
      for (const totals of [this.sum, this.each]) totals.keep(present);
      ctx.metrics.linuxutil_unsupported_interfaces.set(this.drivers.unsupported);
    } catch (error) {
      if (!ctx.signal.aborted) problems.caught('interfaces', error);
    }
  }

  private add(link: LinkStatistics): void {
    const { ctx, problems } = this.part;
    const { interface_stats } = ctx.metrics;
    const keys = [...link.statistics.keys()].filter(this.shown);
    if (keys.length > MOST_STATISTICS) {
      problems.add('ethtool', 'too_many', `${link.name} has ${keys.length} statistics`);
    }
    for (const key of keys.slice(0, MOST_STATISTICS)) {
      const total = link.statistics.get(key)!;
      if (!(total >= 0)) continue;
      const statistic = ctx.label(key);
      interface_stats.add(this.sum.step(sourceOf(link), key, total), ctx.label('all_interfaces'), statistic);
      if (!ctx.config.perInterface) continue;
      interface_stats.add(this.each.step(sourceOf(link), key, total), ctx.label(link.name), statistic);
    }
  }
}

/** An interface made anew under its old name is another one. */
function sourceOf({ ifindex, name }: { readonly ifindex: number; readonly name: string }): string {
  return `${ifindex}/${name}`;
}
