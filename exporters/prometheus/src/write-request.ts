import type { MetricFamily } from '@retina/sdk';
import { ProtoWriter } from './proto-writer.ts';
import { formatValue } from './text.ts';

export type Protocol = 'v1' | 'v2';

/** Types of io.prometheus.write.v2.Metadata. */
const TYPES = { counter: 1, gauge: 2, histogram: 3 } as const;

type Label = readonly [name: string, value: string];

/** Gathers samples for one remote write request after the other; memory is used again. */
export class WriteRequest {
  /** Samples in it. */
  samples = 0;
  private readonly protocol: Protocol;
  private readonly outer: readonly Label[];
  private readonly now: number;
  private readonly series = new ProtoWriter();
  private readonly head = new ProtoWriter();
  private readonly symbols = new Map<string, number>([['', 0]]);

  /** `outer` are labels that every series gets, unless it has them itself. */
  constructor(protocol: Protocol, outer: Readonly<Record<string, string>>, now: number) {
    this.protocol = protocol;
    this.outer = Object.entries(outer);
    this.now = now;
  }

  /** Bytes so far, about. */
  get bytes(): number {
    return this.series.length;
  }

  /** Adds one row of a family: one sample, or one for each bucket, sum and count. */
  add(family: MetricFamily, i: number): void {
    const { name } = family;
    const labels = this.labelsOf(family, i);
    if (family.kind !== 'histogram' || !family.histogram) {
      this.sample(family, name, labels, family.value(i));
      return;
    }
    const { bounds, counts, sum } = family.histogram(i);
    counts.forEach((count, b) => {
      const le = b < bounds.length ? formatValue(bounds[b]!) : '+Inf';
      this.sample(family, `${name}_bucket`, [...labels, ['le', le]], count);
    });
    this.sample(family, `${name}_sum`, labels, sum);
    this.sample(family, `${name}_count`, labels, counts.at(-1) ?? 0);
  }

  /** The message; what is added next goes into another one. */
  finish(): Buffer {
    if (this.protocol === 'v2') for (const symbol of this.symbols.keys()) this.head.text(4, symbol);
    const message = Buffer.concat([this.head.written, this.series.written]);
    this.head.length = this.series.length = this.samples = 0;
    this.symbols.clear();
    this.symbols.set('', 0);
    return message;
  }

  private labelsOf(family: MetricFamily, i: number): Label[] {
    const labels: Label[] = [];
    family.labels.forEach((label, j) => {
      const value = family.label(i, j);
      if (value !== '') labels.push([label, value]); // an empty label is none
    });
    for (const label of this.outer) if (!labels.some(([name]) => name === label[0])) labels.push(label);
    return labels;
  }

  private sample(family: MetricFamily, name: string, labels: readonly Label[], value: number): void {
    const all: Label[] = [['__name__', name], ...labels];
    all.sort(([a], [b]) => (a < b ? -1 : 1));
    this.samples++;
    const { series: out } = this;
    const point = () => {
      out.double(1, value);
      out.uint(2, this.now);
    };
    if (this.protocol === 'v1') {
      out.message(1, () => {
        for (const [label, text] of all) {
          out.message(1, () => {
            out.text(1, label);
            out.text(2, text);
          });
        }
        out.message(2, point);
      });
      return;
    }
    const refs = all.flatMap(([label, text]) => [this.symbol(label), this.symbol(text)]);
    out.message(5, () => {
      out.packed(1, refs);
      out.message(2, point);
      out.message(5, () => {
        out.uint(1, TYPES[family.kind]);
        out.uint(3, this.symbol(family.help));
        if (family.unit) out.uint(4, this.symbol(family.unit));
      });
    });
  }

  private symbol(text: string): number {
    const known = this.symbols.get(text);
    if (known !== undefined) return known;
    this.symbols.set(text, this.symbols.size);
    return this.symbols.size - 1;
  }
}
