import type { MetricFamily, MetricSpecs } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EndpointTable } from '../identity/table.ts';
import { MetricStore, type MetricStoreOptions } from './store.ts';

function store(options: Partial<MetricStoreOptions> = {}) {
  return new MetricStore({ endpoints: new EndpointTable(), ...options });
}

/** What a family shows: `a,b` to its value. */
function shown(family: MetricFamily): Record<string, number> {
  const rows: Record<string, number> = {};
  for (let i = 0; i < family.size; i++) {
    if (!family.live(i)) continue;
    const key = family.labels.map((_, j) => family.label(i, j)).join();
    expect(Object.hasOwn(rows, key), `${key} is shown once`).toBe(false);
    rows[key] = family.value(i);
  }
  return rows;
}

function read(of: MetricStore, name: string): Record<string, number> {
  const family = [...of.families()].find((f) => f.name === name);
  return family ? shown(family) : {};
}

const SPECS = {
  drop_count: { kind: 'counter', help: 'Drops.', labels: ['reason', 'direction'] },
  forward_count: { kind: 'counter', help: 'Packets.' },
  tcp_state: { kind: 'gauge', help: 'Sockets.', labels: ['state'] },
  latency: { kind: 'histogram', help: 'Latency.', unit: 'milliseconds', buckets: [1, 2, 5] },
} as const satisfies MetricSpecs;

describe('MetricStore', () => {
  it('counts as a map of label texts would, up to its cap, and the rest in the overflow series', () => {
    const labels = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 2 }));
    const adds = fc.array(fc.record({ labels, value: fc.nat(100) }), { maxLength: 200 });
    fc.assert(
      fc.property(adds, fc.integer({ min: 1, max: 40 }), (samples, maxSeries) => {
        const told: string[] = [];
        const s = store({ onOverflow: (name) => told.push(name) });
        const { instruments } = s.open('p', { c: { kind: 'counter', help: 'C.', labels: ['a', 'b'], maxSeries } });
        const domain = s.labels.domain('p');
        const model = new Map<string, number>();
        for (const { labels, value } of samples) {
          const [a, b] = labels.map((n) => `v${n}`) as [string, string];
          instruments.c.add(value, domain.id(a), domain.id(b));
          let key = `${a},${b}`;
          if (!model.has(key) && [...model.keys()].filter((k) => k !== 'overflow,overflow').length >= maxSeries)
            key = 'overflow,overflow';
          model.set(key, (model.get(key) ?? 0) + value);
        }
        expect(read(s, 'networkobservability_c')).toEqual(Object.fromEntries(model));
        expect(told.length).toBe(model.has('overflow,overflow') ? 1 : 0);
      }),
    );
  });

  it('says in a metric how much went to overflow series, and how large families are', () => {
    const s = store();
    const { c } = s.open('p', { c: { kind: 'counter', help: 'C.', labels: ['a'], maxSeries: 2 } }).instruments;
    for (let i = 0; i < 7; i++) c.add(10, s.labels.domain('p').id(`v${i}`));
    expect(read(s, 'networkobservability_c')).toEqual({ v0: 10, v1: 10, overflow: 50 });
    expect(read(s, 'retina_metric_overflow_total')).toEqual({ networkobservability_c: 5 });
    expect(read(s, 'retina_metric_series')).toMatchObject({ networkobservability_c: 2 });
  });

  it('only ever adds when totals kept elsewhere restart', () => {
    const s = store();
    const { drop_count } = s.open('p', SPECS).instruments;
    const [reason, direction] = [s.labels.domain('p').id('R'), s.labels.domain('p').id('egress')];
    for (const total of [10, 15, 4, 9]) drop_count.set(total, reason, direction);
    expect(read(s, 'networkobservability_drop_count')).toEqual({ 'R,egress': 24 });
  });

  it('keeps counters and starts their totals from zero when a plugin is set up again', () => {
    const s = store();
    const first = s.open('p', SPECS);
    first.instruments.forward_count.set(100);
    first.instruments.tcp_state.set(3, s.labels.domain('p').id('LISTEN'));
    first[Symbol.dispose]();
    expect(read(s, 'networkobservability_tcp_state')).toEqual({});
    const second = s.open('p', SPECS);
    second.instruments.forward_count.set(150);
    expect(read(s, 'networkobservability_forward_count')).toEqual({ '': 250 });
    s.remove('p');
    expect([...s.families()].map((f) => f.name)).not.toContain('networkobservability_forward_count');
    second.instruments.forward_count.add(1); // a late call into what is gone does no harm
  });

  it('shows what a poller sets after clear, once each, to a reader that paused in between', () => {
    const s = store();
    const { tcp_state } = s.open('p', SPECS).instruments;
    const ids = ['A', 'B', 'C'].map((t) => s.labels.domain('p').id(t));
    ids.forEach((id, i) => tcp_state.set(i, id));
    const family = [...s.families()].find((f) => f.name === 'networkobservability_tcp_state')!;
    const seen = [family.label(0, 0)];
    tcp_state.clear();
    tcp_state.set(7, ids[0]!);
    tcp_state.set(8, ids[2]!);
    for (let i = 1; i < family.size; i++) if (family.live(i)) seen.push(family.label(i, 0));
    expect(seen).toEqual(['A', 'C']);
    expect(read(s, 'networkobservability_tcp_state')).toEqual({ A: 7, C: 8 });
    tcp_state.clear();
    tcp_state.clear();
    expect(family.size).toBe(3);
    tcp_state.remove(ids[0]!);
    expect(read(s, 'networkobservability_tcp_state')).toEqual({});
  });

  it('fills cumulative buckets, bounds included', () => {
    const s = store();
    const { latency } = s.open('p', SPECS).instruments;
    for (const value of [0.5, 1, 1.5, 5, 100]) latency.observe(value);
    const family = [...s.families()].find((f) => f.name === 'networkobservability_latency')!;
    expect(family.histogram!(0)).toEqual({ bounds: [1, 2, 5], counts: [2, 3, 4, 5], sum: 108 });
  });

  it('refuses values that are none', () => {
    const { forward_count, latency } = store().open('p', SPECS).instruments;
    expect(() => forward_count.add(-1)).toThrow(/RETINA_METRIC_INVALID|cannot take this value; found: -1/);
    expect(() => forward_count.add(NaN)).toThrow(/found: NaN/);
    expect(() => latency.observe(NaN)).toThrow(/found: NaN/);
  });

  it('reports every mistake of a declaration at once', () => {
    const s = store();
    s.open('other', { taken: { kind: 'gauge', help: 'T.' } });
    const wrong: MetricSpecs = {
      'a-b': { kind: 'counter', help: 'X.' },
      b: { kind: 'gauge', help: ' ', labels: ['x', 'x', '__y'] },
      taken: { kind: 'gauge', help: 'T.' },
      h: { kind: 'histogram', help: 'H.', labels: ['le'], buckets: [2, 1] },
    };
    let error: (Error & { code?: string; detail?: string }) | undefined;
    try {
      s.open('p', wrong);
    } catch (e) {
      error = e as Error;
    }
    expect(error?.code).toBe('RETINA_METRIC_INVALID');
    expect(error?.detail?.split('\n')).toHaveLength(7);
    expect(error?.detail).toContain('networkobservability_taken is taken by other');
  });

  it('bounds the label values of a plugin, whatever it reads from packets', () => {
    const domain = store().labels.domain('p', 3);
    expect(['a', 'b', 'c', 'd', 'a', 'e'].map((t) => domain.text(domain.id(t)))).toEqual([
      'a',
      'b',
      'c',
      'overflow',
      'a',
      'overflow',
    ]);
    expect(domain.refused).toBe(2);
    const other = store().labels.domain('q');
    expect(other.id('x'.repeat(5000))).toBe(other.id('x'.repeat(6000)));
    // what could not be told apart once it is written is one
    expect(other.id('a\ud800')).toBe(other.id('a\udc00'));
    expect(other.text(other.id(`${'x'.repeat(1023)}💥`)).isWellFormed()).toBe(true);
  });
});
