import type { EndpointTable } from '../identity/table.ts';
import type { FamilyDescription, FamilyHost } from './family.ts';
import { podCounter } from './pod-counter.ts';
import type { PodInstrument } from './pod-family.ts';
import { podHistogram } from './pod-histogram.ts';
import { type PodMetricsConfig, type PodOptions, podOptions, type PodSpec, sharingKey } from './pod-options.ts';
import { PodView } from './pod-view.ts';

interface Entry {
  readonly owner: string;
  readonly description: FamilyDescription;
  readonly spec: PodSpec;
  options: PodOptions | undefined;
}

/** Every pod-level family, the views they share, and the ends of their series. */
export class PodFamilies {
  private readonly host: FamilyHost;
  private readonly endpoints: EndpointTable;
  private readonly lingerMs: number;
  private readonly clock: { time: number };
  private readonly entries = new Map<PodInstrument, Entry>();
  /** By owner and options: flow ids are an owner's own. */
  private readonly views = new Map<string, { readonly owner: string; readonly view: PodView }>();
  private config: PodMetricsConfig;

  constructor(host: FamilyHost, endpoints: EndpointTable, lingerMs: number, config: PodMetricsConfig) {
    this.host = host;
    this.endpoints = endpoints;
    this.lingerMs = lingerMs;
    this.config = config;
    this.clock = { time: host.now() };
    endpoints.onChange((change, id) => {
      for (const { view } of this.views.values()) view.endpointChanged(change, id, host.now());
    });
  }

  add(owner: string, description: FamilyDescription, spec: PodSpec): PodInstrument {
    const { name, labels } = description;
    const instrument =
      spec.kind === 'histogram'
        ? podHistogram(name, labels.length, this.clock, spec.buckets)
        : podCounter(name, labels.length, this.clock);
    const entry: Entry = { owner, description, spec, options: podOptions(spec, this.config) };
    this.entries.set(instrument, entry);
    this.open(instrument, entry);
    return instrument;
  }

  delete(instrument: PodInstrument): void {
    instrument.series?.close();
    instrument.series = undefined;
    this.entries.delete(instrument);
    this.dropUnused();
  }

  /** Ends an owner's views with its families. */
  remove(owner: string): void {
    for (const [instrument, entry] of this.entries) if (entry.owner === owner) this.delete(instrument);
  }

  /** An owner starts again: its flow ids have new meanings. */
  forget(owner: string): void {
    for (const { owner: of, view } of this.views.values()) if (of === owner) view.forget();
  }

  configure(config: PodMetricsConfig): void {
    this.config = config;
    for (const [instrument, entry] of this.entries) {
      const options = podOptions(entry.spec, config);
      if (JSON.stringify(options) === JSON.stringify(entry.options)) continue;
      instrument.series?.close();
      instrument.series = undefined;
      entry.options = options;
      this.open(instrument, entry);
    }
    this.dropUnused();
  }

  sweep(expired: (family: string, count: number) => void): void {
    const now = this.host.now();
    this.clock.time = now;
    const deadline = now - this.lingerMs;
    for (const { series } of this.entries.keys()) {
      if (!series) continue;
      const count = series.expire(now, deadline);
      if (count > 0) expired(series.name, count);
    }
    for (const { view } of this.views.values()) {
      view.sweep();
      view.endedUntil(deadline);
    }
  }

  private open(instrument: PodInstrument, { owner, description, options }: Entry): void {
    if (!options) return;
    const key = `${owner}\0${sharingKey(options)}`;
    let shared = this.views.get(key);
    if (!shared)
      this.views.set(key, (shared = { owner, view: new PodView(this.endpoints, options, description.maxSeries) }));
    instrument.series = instrument.open(this.host, description, shared.view, options.ttlMs);
  }

  private dropUnused(): void {
    const used = new Set([...this.entries.keys()].map(({ series }) => series?.view));
    for (const [key, { view }] of this.views) if (!used.has(view)) this.views.delete(key);
  }
}
