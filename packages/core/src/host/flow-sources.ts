import type { FlowSource, FlowSourceStats } from '@retina/sdk';

/** The flow sources of every plugin, open ones and what closed ones had counted. */
export class FlowSources {
  private readonly open = new Map<FlowSource, string>();
  private readonly closed = new Map<string, { packets: number; overflow: number }>();

  add(component: string, source: FlowSource): Disposable {
    this.open.set(source, component);
    return {
      [Symbol.dispose]: () => {
        const { packets, overflowPackets } = source.stats();
        const past = this.closed.get(component);
        this.closed.set(component, {
          packets: packets + (past?.packets ?? 0),
          overflow: overflowPackets + (past?.overflow ?? 0),
        });
        this.open.delete(source);
      },
    };
  }

  /** Statistics of the open sources, by the plugin they belong to. */
  stats(): readonly { readonly component: string; readonly stats: FlowSourceStats }[] {
    return [...this.open].map(([source, component]) => ({ component, stats: source.stats() }));
  }

  /** Packets that became part of flows, and packets no table could hold, since the host started, by plugin. */
  totals(): ReadonlyMap<string, { readonly packets: number; readonly overflow: number }> {
    const out = new Map<string, { packets: number; overflow: number }>();
    for (const [component, past] of this.closed) out.set(component, { ...past });
    for (const { component, stats } of this.stats()) {
      const sum = out.get(component) ?? { packets: 0, overflow: 0 };
      sum.packets += stats.packets;
      sum.overflow += stats.overflowPackets;
      out.set(component, sum);
    }
    return out;
  }
}
