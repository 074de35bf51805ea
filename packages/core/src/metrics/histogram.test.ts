import { bucketBounds, type MetricSpecs } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EndpointTable } from '../identity/table.ts';
import { MetricStore } from './store.ts';

function store(): MetricStore {
  return new MetricStore({ endpoints: new EndpointTable() });
}

function family(of: MetricStore, name: string) {
  return [...of.families()].find((one) => one.name === `networkobservability_${name}`)!;
}

const EXPONENTIAL = { kind: 'histogram', help: 'H.', buckets: { scale: 0, from: 0.25, to: 8 } } as const;
const SPECS = { plain: { kind: 'histogram', help: 'H.', buckets: [1, 2, 5] } } as const satisfies MetricSpecs;

describe('histograms', () => {
  it('have exponential bounds at powers of the base, moved outwards', () => {
    expect(bucketBounds({ scale: 0, from: 0.25, to: 8 })).toEqual({
      bounds: [0.25, 0.5, 1, 2, 4, 8],
      exponential: { scale: 0, first: -2 },
    });
    const { bounds, exponential } = bucketBounds({ scale: 1, from: 0.001, to: 1 });
    expect([bounds[0]! <= 0.001, bounds[1]! > 0.001, bounds.at(-1), bounds.length]).toEqual([true, true, 1, 21]);
    expect(exponential).toEqual({ scale: 1, first: -20 });
    for (const [i, bound] of bounds.entries()) expect(bound).toBe(2 ** ((-20 + i) / 2));
    expect(bucketBounds({ scale: 3, from: 2 ** (5 / 8), to: 2 ** (9 / 8) }).exponential!.first).toBe(5); // a bound stays one
  });

  it.each([
    { scale: 0 as const, from: 0, to: 1 },
    { scale: 0 as const, from: 2, to: 1 },
    { scale: 3 as const, from: 1e-300, to: 1e300 },
    { scale: 9 as 0, from: 1, to: 2 },
    { scale: 0 as const, from: NaN, to: 2 },
  ])('refuse exponential buckets that are none: $scale $from $to', (buckets) => {
    const wrong: MetricSpecs = { h: { kind: 'histogram', help: 'H.', buckets } };
    expect(() => store().open('p', wrong)).toThrow(expect.objectContaining({ code: 'RETINA_METRIC_INVALID' }));
  });

  it('put every value where a walk over the bounds would, for any number of labels', () => {
    const values = fc.array(fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0.25, 1, 8, -1, Infinity)));
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 3 }), (observed, width) => {
        const labels = ['a', 'b', 'c'].slice(0, width);
        const s = store();
        const h = s.open('p', { h: { ...EXPONENTIAL, labels } }).instruments.h;
        const ids = labels.map((label) => s.labels.domain('p').id(label));
        for (const value of observed) h.observe(value, ...(ids as never[]));
        if (observed.length === 0 && width > 0) return;
        const { bounds, counts, exponential } = family(s, 'h').histogram!(0);
        expect(exponential).toEqual({ scale: 0, first: -2 });
        expect(counts).toEqual([...bounds, Infinity].map((bound) => observed.filter((v) => v <= bound).length));
      }),
    );
  });

  it('take totals kept elsewhere, and only ever add when these restart', () => {
    const s = store();
    const open = () => s.open('p', SPECS).instruments.plain;
    const read = () => family(s, 'plain').histogram!(0);
    const plain = open();
    plain.set([1, 2, 0, 0], 4);
    plain.set([1, 3, 0, 1], 16);
    expect(read()).toMatchObject({ counts: [1, 4, 4, 5], sum: 16 });
    plain.set([0, 1, 0, 0], 2); // one fell: all of them begin anew
    expect(read()).toMatchObject({ counts: [1, 5, 5, 6], sum: 18 });
    open().set([5, 5, 5, 5], 100); // set up again: so do totals that are larger than the last
    expect(read()).toMatchObject({ counts: [6, 15, 20, 26], sum: 118 });
    expect(() => plain.set([1, 2, 3], 4)).toThrow(/found: 3 of them; needed: 4/);
    expect(() => plain.set([1, 2, -3, 4], 4)).toThrow(/found: -3/);
    expect(() => plain.set([1, 2, 3, 4], NaN)).toThrow(/found: NaN/);
    expect(read()).toMatchObject({ counts: [6, 15, 20, 26], sum: 118 });
  });
});
