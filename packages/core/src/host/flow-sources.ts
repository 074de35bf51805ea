import type { FlowAnnotation, FlowSource, FlowSourceStats } from '@retina/sdk';

/** The flow sources of every plugin, open ones and what closed ones had counted. */
export class FlowSources {
  private readonly open = new Map<FlowSource, { readonly component: string; last: FlowSourceStats | undefined }>();
  /** By plugin: what closed sources had counted, and records that streams lost. */
  private readonly past = new Map<string, { packets: number; lost: number }>();

  add(component: string, source: FlowSource): Disposable {
    this.open.set(source, { component, last: undefined });
    return {
      [Symbol.dispose]: () => {
        const stats = this.read(source);
        this.open.delete(source);
        const past = this.of(component);
        past.packets += stats?.packets ?? 0;
        past.lost += stats?.overflowPackets ?? 0;
      },
    };
  }

  /** Tells every open source what is known of a connection. */
  annotate(annotation: FlowAnnotation): void {
    for (const source of this.open.keys()) {
      try {
        source.annotate(annotation);
      } catch {
        // it has ended by itself and is about to be disposed of
      }
    }
  }

  /** Statistics of the open sources, by the plugin they belong to. */
  stats(): readonly { readonly component: string; readonly stats: FlowSourceStats }[] {
    return [...this.open].flatMap(([source, { component }]) => {
      const stats = this.read(source);
      return stats ? [{ component, stats }] : [];
    });
  }

  /** The last there were, of a source that has ended by itself and is not yet disposed of. */
  private read(source: FlowSource): FlowSourceStats | undefined {
    const entry = this.open.get(source);
    if (!entry) return undefined;
    try {
      entry.last = source.stats() ?? entry.last;
    } catch {
      // it is closed
    }
    return entry.last;
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
