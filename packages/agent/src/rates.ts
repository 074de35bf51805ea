import { TOP_WINDOW_SECONDS, type MetricStore } from '@retina/core';
import type { DropRow } from './api/types.ts';

const SAMPLE_MS = 1000;

interface Sample {
  readonly at: number;
  /** Microseconds of user and system time. */
  readonly cpu: number;
  /** Packets and bytes by `reason\0direction`. */
  readonly drops: ReadonlyMap<string, { readonly packets: number; readonly bytes: number }>;
}

/** How fast things that are only counted grow: samples of the last seconds, one per second. */
export class Rates implements Disposable {
  private readonly metrics: MetricStore;
  private readonly timer: NodeJS.Timeout;
  private samples: readonly Sample[];

  constructor(metrics: MetricStore) {
    this.metrics = metrics;
    this.samples = [this.sample()];
    this.timer = setInterval(() => {
      this.samples = [...this.samples.slice(-TOP_WINDOW_SECONDS), this.sample()];
    }, SAMPLE_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }

  /** CPU time of this process as a share of one core, over the window. */
  get cpuRatio(): number {
    const [first, last] = this.ends();
    return last.at > first.at ? (last.cpu - first.cpu) / 1000 / (last.at - first.at) : 0;
  }

  /** Drops by reason and direction: those that grow fastest first, then the most. */
  drops(): DropRow[] {
    const [first] = this.ends();
    const now = this.sample();
    const seconds = Math.max(0.001, (now.at - first.at) / 1000);
    const places = this.places();
    const rows = [...now.drops].map(([key, { packets, bytes }]) => {
      const [reason = '', direction = ''] = key.split('\0');
      const packetsPerSecond = Math.max(0, packets - (first.drops.get(key)?.packets ?? 0)) / seconds;
      const place = places.get(reason);
      return { reason, direction, ...(place && { place }), packetsPerSecond, packets, bytes };
    });
    return rows.sort((a, b) => b.packetsPerSecond - a.packetsPerSecond || b.packets - a.packets);
  }

  /** By reason: the kernel function that has dropped most for it. */
  private places(): ReadonlyMap<string, string> {
    const most = new Map<string, { readonly place: string; readonly packets: number }>();
    const family = this.metrics.family('networkobservability_drop_location_packets_total');
    const reason = family?.labels.indexOf('reason') ?? -1;
    const location = family?.labels.indexOf('location') ?? -1;
    for (let row = 0; family && row < family.size; row++) {
      if (!family.live(row)) continue;
      const key = family.label(row, reason);
      const packets = family.value(row);
      if (packets > (most.get(key)?.packets ?? 0)) most.set(key, { place: family.label(row, location), packets });
    }
    return new Map([...most].map(([key, { place }]) => [key, place]));
  }

  private ends(): readonly [Sample, Sample] {
    return [this.samples[0]!, this.samples.at(-1)!];
  }

  private sample(): Sample {
    const drops = new Map<string, { packets: number; bytes: number }>();
    for (const [name, unit] of [
      ['networkobservability_drop_count', 'packets'],
      ['networkobservability_drop_bytes', 'bytes'],
    ] as const) {
      const family = this.metrics.family(name);
      if (!family) continue;
      const reason = family.labels.indexOf('reason');
      const direction = family.labels.indexOf('direction');
      for (let row = 0; row < family.size; row++) {
        if (!family.live(row)) continue;
        const key = `${family.label(row, reason)}\0${family.label(row, direction)}`;
        const sum = drops.get(key) ?? { packets: 0, bytes: 0 };
        sum[unit] = family.value(row);
        drops.set(key, sum);
      }
    }
    const { user, system } = process.cpuUsage();
    return { at: performance.now(), cpu: user + system, drops };
  }
}
