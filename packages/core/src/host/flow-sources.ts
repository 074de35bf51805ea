import type { FlowSource, FlowSourceStats } from '@retina/sdk';

/** The flow sources of every plugin, open ones and what closed ones had counted. */
export class FlowSources {
  private readonly open = new Map<FlowSource, string>();
  /** By plugin: what closed sources had counted, and records that streams lost. */
  private readonly past = new Map<string, { packets: number; lost: number }>();

  add(component: string, source: FlowSource): Disposable {
    this.open.set(source, component);
    return {
      [Symbol.dispose]: () => {
        const { packets, overflowPackets } = source.stats();
        const past = this.of(component);
        past.packets += packets;
        past.lost += overflowPackets;
        this.open.delete(source);
      },
    };
  }

  /** Statistics of the open sources, by the plugin they belong to. */
  stats(): readonly { readonly component: string; readonly stats: FlowSourceStats }[] {
    return [...this.open].map(([source, component]) => ({ component, stats: source.stats() }));
  }

  /** Records that a ring buffer or table of a plugin had no room for. */
  lost(component: string, records: number): void {
    this.of(component).lost += records;
  }

  /** Packets that became part of flows, and packets and records the kernel had no room for, since the host started, by plugin. */
  totals(): ReadonlyMap<string, { readonly packets: number; readonly lost: number }> {
    const out = new Map<string, { packets: number; lost: number }>();
    for (const [component, past] of this.past) out.set(component, { ...past });
    for (const { component, stats } of this.stats()) {
      const sum = out.get(component) ?? { packets: 0, lost: 0 };
      sum.packets += stats.packets;
      sum.lost += stats.overflowPackets;
      out.set(component, sum);
    }
    return out;
  }

  private of(component: string): { packets: number; lost: number } {
    let past = this.past.get(component);
    if (!past) this.past.set(component, (past = { packets: 0, lost: 0 }));
    return past;
  }
}
