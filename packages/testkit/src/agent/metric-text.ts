import type { MetricReader } from '@retina/sdk';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What labels must be: a text, any of several, or whatever a pattern takes. Labels not named may be anything. */
export type LabelMatch = Readonly<Record<string, string | RegExp>>;

/** A scrape in the text format, for tests to ask. */
export class MetricText {
  readonly text: string;
  readonly samples: readonly Sample[];

  constructor(text: string) {
    this.text = text;
    this.samples = text.split('\n').flatMap(parseLine);
  }

  /** Samples of a name whose labels match. */
  select(name: string, match: LabelMatch = {}): readonly Sample[] {
    return this.samples.filter((sample) => sample.name === name && matches(sample.labels, match));
  }

  /** Their sum; 0 where there is none. */
  sum(name: string, match: LabelMatch = {}): number {
    return this.select(name, match).reduce((sum, { value }) => sum + value, 0);
  }

  /** The one sample that matches. Throws when there is none, or several. */
  one(name: string, match: LabelMatch = {}): number {
    const found = this.select(name, match);
    if (found.length !== 1) throw new Error(`Expected one ${name} ${JSON.stringify(match)} but found ${found.length}`);
    return found[0]!.value;
  }

  /** Sum for every value of a label. */
  by(label: string, name: string, match: LabelMatch = {}): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const { labels, value } of this.select(name, match)) {
      const key = labels[label] ?? '';
      sums[key] = (sums[key] ?? 0) + value;
    }
    return sums;
  }
}

function matches(labels: Readonly<Record<string, string>>, match: LabelMatch): boolean {
  return Object.entries(match).every(([name, want]) => {
    const have = labels[name] ?? '';
    return typeof want === 'string' ? have === want : want.test(have);
  });
}

function parseLine(line: string): Sample[] {
  if (line === '' || line.startsWith('#')) return [];
  const parts = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line);
  if (!parts) throw new Error(`Expected a sample but received "${line}"`);
  const labels: Record<string, string> = {};
  for (const [, name, value] of (parts[2] ?? '').matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name!] = value!.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  const text = parts[3]!;
  const value = text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text);
  return [{ name: parts[1]!, labels, value }];
}

/** Every family in the text format, in the order of the store; of histograms their count and sum: what {@link MetricText} reads. */
export function renderMetrics(reader: MetricReader): string {
  const lines: string[] = [];
  for (const family of reader.families()) {
    for (let i = 0; i < family.size; i++) {
      if (!family.live(i)) continue;
      const labels = family.labels.map((name, j) => `${name}=${JSON.stringify(family.label(i, j))}`).join(',');
      const histogram = family.kind === 'histogram' ? family.histogram?.(i) : undefined;
      if (histogram) {
        lines.push(`${family.name}_count{${labels}} ${histogram.counts.at(-1) ?? 0}`);
        lines.push(`${family.name}_sum{${labels}} ${histogram.sum}`);
      } else lines.push(`${family.name}{${labels}} ${family.value(i)}`);
    }
  }
  return lines.join('\n');
}
