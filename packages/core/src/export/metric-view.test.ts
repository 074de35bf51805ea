import type { MetricFamily } from '@retina/sdk';
import { describe, expect, test } from 'vitest';
import { EndpointTable } from '../identity/table.ts';
import { MetricStore } from '../metrics/store.ts';
import { MetricView } from './metric-view.ts';
import { relabelConfigs } from './relabel-config.ts';

const SPECS = {
  hits_total: { kind: 'counter', help: 'Hits.', labels: ['namespace', 'pod'] },
  level: { kind: 'gauge', help: 'Level.', labels: ['namespace', 'pod'] },
  wait_seconds: { kind: 'histogram', unit: 'seconds', help: 'Wait.', labels: ['namespace', 'pod'], buckets: [1, 2] },
} as const;

function world(rules: readonly object[], maxSeries?: number) {
  let now = 1_000;
  const store = new MetricStore({ endpoints: new EndpointTable(), now: () => ++now });
  const { instruments } = store.open('t', SPECS, 't_');
  const domain = store.labels.domain('t');
  const view = new MetricView(
    { families: () => [...store.families()].filter(({ name }) => name.startsWith('t_')) },
    relabelConfigs.parse(rules),
    maxSeries,
  );
  return { ...instruments, id: (text: string) => domain.id(text), view };
}

function rows(family: MetricFamily): Record<string, number | readonly number[]> {
  const out: Record<string, number | readonly number[]> = {};
  for (let i = 0; i < family.size; i++) {
    if (!family.live(i)) continue;
    const labels = family.labels.map((name, j) => `${name}=${family.label(i, j)}`).join(',');
    out[labels] = family.histogram ? [...family.histogram(i).counts, family.histogram(i).sum] : family.value(i);
  }
  return out;
}

const read = (view: MetricView) => Object.fromEntries([...view.families()].map((f) => [f.name, rows(f)]));

describe('rules', () => {
  test('of every action give what Prometheus gives', () => {
    const apply = (rules: readonly object[], namespace = 'Default', pod = 'web-1-abc') => {
      const { hits_total: hits, id, view } = world(rules);
      hits.add(1, id(namespace), id(pod));
      return Object.entries(read(view))
        .flatMap(([name, series]) => Object.keys(series).map((labels) => `${name}{${labels}}`))
        .at(0);
    };
    expect(apply([{ source_labels: ['pod'], regex: '(.+)-[0-9]+-.*', target_label: 'app' }])).toBe(
      't_hits_total{namespace=Default,pod=web-1-abc,app=web}',
    );
    expect(apply([{ source_labels: ['pod'], regex: '(?P<a>web).*', target_label: 'pod', replacement: '${a}$$x$9' }])).toBe('t_hits_total{namespace=Default,pod=web$x}'); // prettier-ignore
    expect(apply([{ source_labels: ['pod'], regex: 'web', action: 'keep' }])).toBeUndefined(); // anchored
    expect(apply([{ source_labels: ['namespace', 'pod'], separator: '/', regex: 'Default/.*', action: 'drop' }])).toBeUndefined(); // prettier-ignore
    expect(apply([{ source_labels: ['pod'], target_label: 'namespace', action: 'keepequal' }], 'a', 'a')).toBeDefined();
    expect(apply([{ source_labels: ['pod'], target_label: 'namespace', action: 'dropequal' }], 'a', 'a')).toBeUndefined(); // prettier-ignore
    expect(apply([{ source_labels: ['namespace'], target_label: 'namespace', action: 'Lowercase' }])).toBe('t_hits_total{namespace=default,pod=web-1-abc}'); // prettier-ignore
    expect(apply([{ regex: 'p(.*)', replacement: 'x_$1', action: 'labelmap' }, { regex: 'pod', action: 'labeldrop' }])).toBe('t_hits_total{namespace=Default,x_od=web-1-abc}'); // prettier-ignore
    expect(apply([{ regex: '__name__|pod', action: 'labelkeep' }])).toBe('t_hits_total{pod=web-1-abc}');
    // the last eight bytes of md5("web-1-abc") modulo 10, as Prometheus computes it
    expect(apply([{ source_labels: ['pod'], target_label: '__tmp_h', modulus: 10, action: 'hashmod' }, { source_labels: ['__tmp_h'], target_label: 'shard' }])).toBe('t_hits_total{namespace=Default,pod=web-1-abc,shard=9}'); // prettier-ignore
    expect(apply([{ source_labels: ['__name__'], regex: 't_(.*)', target_label: '__name__', replacement: 'x_$1' }])).toBe('x_hits_total{namespace=Default,pod=web-1-abc}'); // prettier-ignore
    expect(apply([{ source_labels: ['__name__'], regex: 't_.*', action: 'drop' }])).toBeUndefined();
    expect(apply([{ source_labels: ['nothing'], regex: '.+', action: 'keep' }])).toBeUndefined();
  });

  test('stay linear with a value made to hang them', () => {
    const { hits_total: hits, id, view } = world([{ source_labels: ['pod'], regex: '(a+)+b', action: 'keep' }]);
    hits.add(1, id('n'), id('a'.repeat(1000)));
    expect(read(view)['t_hits_total']).toEqual({});
  });
});

describe('series that read the same without a label', () => {
  const rules = [{ regex: 'pod', action: 'labeldrop' }];

  test('are one, their sum; of counters it never falls when one of them ends', () => {
    const { hits_total: hits, level, wait_seconds: wait, id, view } = world(rules);
    for (const [pod, n] of [['a', 1], ['b', 10]] as const) {
      hits.add(n, id('n'), id(pod));
      level.set(n, id('n'), id(pod));
      wait.observe(n, id('n'), id(pod));
    } // prettier-ignore
    hits.add(5, id('m'), id('a'));
    expect(read(view)).toEqual({
      t_hits_total: { 'namespace=n': 11, 'namespace=m': 5 },
      t_level: { 'namespace=n': 11 },
      t_wait_seconds: { 'namespace=n': [1, 1, 2, 11] },
    });
    level.remove(id('n'), id('b'));
    hits.add(1, id('n'), id('a'));
    expect(read(view)).toMatchObject({ t_hits_total: { 'namespace=n': 12 }, t_level: { 'namespace=n': 1 } });
    level.clear();
    expect(read(view)['t_level']).toEqual({});
  });

  test('of which one ends: what it counted stays', () => {
    const live = [true, true];
    const source: MetricFamily = {
      name: 'x_total', help: '', kind: 'counter', unit: undefined, labels: ['pod'], size: 2,
      live: (i) => live[i]!, value: (i) => [3, 4][i]!, label: (i) => `p${i}`, created: () => 1,
    }; // prettier-ignore
    const view = new MetricView({ families: () => [source] }, relabelConfigs.parse(rules));
    expect(read(view)['x_total']).toEqual({ '': 7 });
    live[1] = false;
    expect(read(view)['x_total']).toEqual({ '': 7 });
    live[0] = false;
    expect(read(view)['x_total']).toEqual({});
  });
});

test('no more series than an exporter may have are shown, the same ones each time; room that is freed is used', async () => {
  for (const rules of [[], [{ source_labels: ['pod'], target_label: 'p' }]]) {
    const { level, id, view } = world(rules, 3);
    for (let n = 0; n < 10; n++) level.set(n, id('n'), id(`p${n}`));
    await view.warm(new AbortController().signal);
    const values = () => Object.values(read(view)['t_level']!);
    expect(values()).toEqual([0, 1, 2]);
    expect(values()).toEqual([0, 1, 2]);
    expect(view.hidden()).toEqual({ dropped: 0, limit: 7, collision: 0 });
    level.remove(id('n'), id('p1'));
    read(view);
    expect(values().length).toBe(3);
    expect(values()).not.toContain(1);
  }
});

test('two families under one name: the first stays, the other is hidden and counted', () => {
  const { hits_total: hits, level, id, view } = world([{ target_label: '__name__', replacement: 'one' }]);
  hits.add(1, id('n'), id('a'));
  level.set(2, id('n'), id('a'));
  expect(read(view)).toEqual({ one: { 'namespace=n,pod=a': 1 } });
  expect(view.hidden()).toEqual({ dropped: 0, limit: 0, collision: 1 });
});
