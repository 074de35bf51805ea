import { hostname } from 'node:os';
import { type FamilyDeltas, type HostFacts, MetricDeltas, type MetricFamily, type MetricReader } from '@retina/sdk';

/** One metric item, in the JSON of Application Insights' ingestion (version 2.1). */
export interface Envelope {
  readonly name: 'Microsoft.ApplicationInsights.Metric';
  readonly time: string;
  readonly iKey: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly data: {
    readonly baseType: 'MetricData';
    readonly baseData: {
      readonly ver: 2;
      readonly metrics: readonly {
        readonly name: string;
        readonly kind: 'Aggregation';
        readonly value: number;
        readonly count: number;
      }[];
      readonly properties: Readonly<Record<string, string>>;
    };
  };
}

export interface Item {
  readonly envelope: Envelope;
  /** It arrived, or was refused for good: the next difference starts here. */
  readonly done: (() => void) | undefined;
}

/** Limits of the ingestion: longer names and values make it refuse the item. */
const LONGEST_NAME = 1024;
const LONGEST_KEY = 150;
const LONGEST_VALUE = 8192;
/** Rows that may be looked at in one turn without an item coming of them. */
const SILENT_ROWS = 4096;

/** The host's metrics as items, in groups of at most `size`; an empty group lets others have their turn. */
export class Envelopes {
  private readonly key: () => string;
  private readonly tags: Readonly<Record<string, string>>;
  private readonly common: Readonly<Record<string, string>>;
  private readonly deltas = new MetricDeltas();

  constructor(facts: HostFacts, key: () => string) {
    this.key = key;
    this.tags = {
      'ai.cloud.role': 'retina-agent',
      'ai.cloud.roleInstance': facts.nodeName || hostname(),
      'ai.application.ver': facts.version,
      'ai.internal.sdkVersion': `retina:${facts.version}`,
    };
    this.common = { node: facts.nodeName, ...(facts.clusterName !== undefined && { cluster: facts.clusterName }) };
  }

  /** Counters and histograms as what was added since the last delivery, gauges as they are. `skipped` counts values JSON cannot write. */
  *groups(reader: MetricReader, size: number, skipped: () => void): Generator<Item[], void> {
    let group: Item[] = [];
    let silent = 0;
    const seen = new Set<string>();
    for (const family of reader.families()) {
      seen.add(family.name);
      const rows = family.size;
      let deltas: FamilyDeltas | undefined;
      for (let row = 0; row < rows; row++) {
        if (!family.live(row)) continue;
        if (family.kind !== 'gauge') deltas ??= this.deltas.of(family.name, 2);
        const item = this.item(family, row, deltas);
        if (item === 'unwritable') skipped();
        else if (item === undefined) {
          if (++silent % SILENT_ROWS === 0) yield [];
        } else if (group.push(item) >= size) {
          yield group;
          group = [];
        }
      }
    }
    this.deltas.keep(seen);
    if (group.length > 0) yield group;
  }

  private item(family: MetricFamily, row: number, deltas: FamilyDeltas | undefined): Item | 'unwritable' | undefined {
    const [sum, count] = totals(family, row);
    if (!Number.isFinite(sum)) return 'unwritable';
    const now = Date.now();
    if (!deltas) return { envelope: this.envelope(family, row, now, sum, 1), done: undefined };
    const created = family.created(row);
    // Of a counter the first number is its total; a total that fell began again.
    const known =
      deltas.knows(row, created) &&
      count >= deltas.value(row, 1) &&
      (family.kind === 'histogram' || sum >= deltas.value(row, 0));
    const value = sum - (known ? deltas.value(row, 0) : 0);
    const added = family.kind === 'histogram' ? count - (known ? deltas.value(row, 1) : 0) : 1;
    if (known && (family.kind === 'histogram' ? added === 0 : value === 0)) return undefined;
    return {
      envelope: this.envelope(family, row, now, value, added),
      done: () => deltas.delivered(row, created, now, [sum, count]),
    };
  }

  private envelope(family: MetricFamily, row: number, now: number, value: number, count: number): Envelope {
    const properties: Record<string, string> = { ...this.common };
    for (const [j, label] of family.labels.entries()) {
      properties[label.slice(0, LONGEST_KEY)] = family.label(row, j).slice(0, LONGEST_VALUE).toWellFormed();
    }
    const name = family.name.slice(0, LONGEST_NAME);
    return {
      name: 'Microsoft.ApplicationInsights.Metric',
      time: new Date(now).toISOString(),
      iKey: this.key(),
      tags: this.tags,
      data: {
        baseType: 'MetricData',
        baseData: { ver: 2, metrics: [{ name, kind: 'Aggregation', value, count }], properties },
      },
    };
  }
}

/** Sum and number of observations of a histogram; value and 0 of others. */
function totals(family: MetricFamily, row: number): [sum: number, count: number] {
  if (family.kind !== 'histogram') return [family.value(row), 0];
  const { sum, counts } = family.histogram!(row);
  return [sum, counts.at(-1) ?? 0];
}
