import { setImmediate as turn } from 'node:timers/promises';
import type { MetricFamily, MetricReader } from '@retina/sdk';
import type { HiddenSeries } from './export-metrics.ts';
import { FilteredFamily } from './filtered-family.ts';
import { Relabeling, type RelabelPlan } from './relabel.ts';
import type { RelabelRule } from './relabel-config.ts';
import { RewrittenFamily, type Room } from './rewritten-family.ts';

/** Time spent on rows nobody has seen before, in one go. */
const SLICE_MS = 3;

interface Known {
  readonly source: MetricFamily;
  readonly plan: RelabelPlan;
  readonly view: FilteredFamily | RewrittenFamily | undefined;
  /** Number of the reading that saw it last. */
  seen: number;
  /** Another family has its name. */
  second: boolean;
}

/** The metrics as one exporter gets them: by its rules, and no more series than it may have. */
export class MetricView implements MetricReader {
  private readonly reader: MetricReader;
  private readonly relabeling: Relabeling;
  private readonly maxSeries: number;
  private readonly known = new Map<string, Known>();
  private readonly room: Room;
  private shown = 0;
  private reading = 0;

  constructor(reader: MetricReader, rules: readonly RelabelRule[], maxSeries = Infinity) {
    this.reader = reader;
    this.relabeling = new Relabeling(rules);
    this.maxSeries = maxSeries;
    this.room = {
      take: () => this.shown < this.maxSeries && ++this.shown > 0,
      free: () => this.shown < this.maxSeries,
      give: () => void this.shown--,
    };
  }

  *families(): Generator<MetricFamily> {
    const reading = ++this.reading;
    const names = new Set<string>();
    for (const source of this.reader.families()) {
      const known = this.of(source);
      known.seen = reading;
      const { plan, view } = known;
      if (plan.none) continue;
      known.second = names.has(plan.name); // two families under one name cannot be told apart: the first one stays
      if (known.second) continue;
      names.add(plan.name);
      if (view instanceof RewrittenFamily) view.refresh(SLICE_MS);
      yield view ?? source;
    }
    this.forget(reading);
  }

  /** Decides about every row there is, a few at a time, so that the first reading finds it done. */
  async warm(signal: AbortSignal): Promise<void> {
    for (const source of this.reader.families()) {
      const { plan, view } = this.of(source);
      if (plan.none || !view) continue;
      while (!signal.aborted && !view.refresh(SLICE_MS)) await turn();
    }
  }

  hidden(): HiddenSeries {
    const hidden = { dropped: 0, limit: 0, collision: 0 };
    for (const { source, plan, view, second } of this.known.values()) {
      if (plan.none) hidden.dropped += live(source);
      else if (second) hidden.collision += live(source);
      hidden.dropped += view?.dropped ?? 0;
      hidden.limit += view?.limited ?? 0;
    }
    return hidden;
  }

  private of(source: MetricFamily): Known {
    const known = this.known.get(source.name);
    if (known?.source === source) return known;
    known?.view?.end();
    const plan = this.relabeling.plan(source.name, source.labels);
    const plain = plan.none || (plan.all && this.maxSeries === Infinity);
    const view = plain
      ? undefined
      : plan.same
        ? new FilteredFamily(source, plan, this.room)
        : new RewrittenFamily(source, plan, this.room);
    const fresh = { source, plan, view, seen: this.reading, second: false };
    this.known.set(source.name, fresh);
    return fresh;
  }

  private forget(reading: number): void {
    for (const [name, known] of this.known) {
      if (known.seen >= reading) continue;
      known.view?.end();
      this.known.delete(name);
    }
  }
}

function live(family: MetricFamily): number {
  let rows = 0;
  for (let i = 0; i < family.size; i++) if (family.live(i)) rows++;
  return rows;
}
