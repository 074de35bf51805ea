import { readdirSync } from 'node:fs';
import type { MetricsConfiguration, MetricsConfigurationSpec } from '@retina/kube';
import type { Plugin } from '@retina/sdk';
import { expect, it } from 'vitest';
import { judge, judgeSpec } from './judge.ts';
import { KNOWN_METRICS } from './known-metrics.ts';
import { statusOf } from './status.ts';

const good: MetricsConfigurationSpec = {
  contextOptions: [
    { metricName: 'forward_count', sourceLabels: ['IP', 'podname'], destinationLabels: ['zone'], additionalLabels: ['is_reply'], ttl: '5m' },
    { metricName: 'drop_count', sourceLabels: ['workload'] },
  ],
  namespaces: { include: ['shop'] },
}; // prettier-ignore

function configuration(name: string, createdAt: string, spec = good, more: Partial<MetricsConfiguration> = {}) {
  return { metadata: { name, uid: name, creationTimestamp: createdAt, generation: 1 }, spec, ...more };
}

it('accepts what the original accepts', () => {
  expect(judgeSpec(good)).toEqual({ state: 'Accepted', why: 'Valid', reason: 'In force.' });
  expect(judgeSpec({ contextOptions: [], namespaces: {} })).toMatchObject({ state: 'Accepted' });
});

it('refuses with every mistake at once, and says what would be right', () => {
  const { state, reason } = judgeSpec({
    contextOptions: [{ metricName: 'forward_count', sourceLabels: ['pod'], ttl: 'soon' }],
    namespaces: { include: ['a'], exclude: ['b'] },
  });
  expect(state).toBe('Errored');
  for (const part of ['contextOptions[0].sourceLabels: ', 'contextOptions[0].ttl: ', 'namespaces: '])
    expect(reason).toContain(part);
  expect(reason).toContain('write any of ip, namespace, podname');
  expect(judgeSpec({ contextOptions: [{ metricName: 'drop_count' }, { metricName: 'Drop_Count' }] })).toMatchObject({
    state: 'Errored',
    reason: 'spec.contextOptions[1].metricName: Drop_Count is there twice; keep one',
  });
});

it('survives what no server would let through, in bounded words', () => {
  for (const spec of [null, 7, [], { contextOptions: 'x' }, { contextOptions: [{}] }]) {
    expect(judgeSpec(spec).state).toBe('Errored');
  }
  const options = Array.from({ length: 100 }, (_, i) => ({ metricName: `${'x'.repeat(200)}${i}`, ttl: 'soon' }));
  const { reason } = judgeSpec({ contextOptions: options });
  expect(reason.length).toBeLessThan(4000);
  expect(reason).toContain('and 90 more');
});

it('puts a configuration with unknown metrics in force, and says which they are', () => {
  const { state, why, reason } = judgeSpec({ contextOptions: [{ metricName: 'drop_counts' }], namespaces: {} });
  expect([state, why]).toEqual(['Accepted', 'UnknownMetrics']);
  expect(reason).toContain('did you mean drop_count?');
});

it('lets the oldest win, valid or not, and the next one follow when it goes', () => {
  const old = configuration('z', '2026-01-01T00:00:00Z', { contextOptions: [{ metricName: 'drop_count', ttl: 'x' }], namespaces: {} }); // prettier-ignore
  const young = configuration('a', '2026-01-02T00:00:00Z');
  const verdicts = judge([young, old]);
  expect(verdicts.get('z')).toMatchObject({ state: 'Errored', why: 'Invalid' });
  expect(verdicts.get('a')).toMatchObject({ state: 'Errored', why: 'NotTheOldest' });
  expect(verdicts.get('a')?.reason).toContain('z is older');
  expect(judge([young]).get('a')).toMatchObject({ state: 'Accepted' });
  const twins = judge([configuration('b', '2026-01-01T00:00:00Z'), configuration('a', '2026-01-01T00:00:00Z')]);
  expect([twins.get('a')?.state, twins.get('b')?.state]).toEqual(['Accepted', 'Errored']);
});

it('keeps the last good specification through a mistake, and none for one that never was in force', () => {
  const now = new Date('2026-01-03T00:00:00Z');
  const first = configuration('a', '2026-01-01T00:00:00Z');
  const accepted = statusOf(first, judge([first]).get('a')!, now)!;
  expect(accepted).toMatchObject({ state: 'Accepted', lastKnownSpec: good, conditions: [{ type: 'Accepted', status: 'True', observedGeneration: 1 }] }); // prettier-ignore
  // Said already: nothing to write.
  expect(statusOf({ ...first, status: accepted }, judge([first]).get('a')!, new Date())).toBeUndefined();

  const broken = {
    ...first,
    spec: { contextOptions: [{ metricName: 'x', ttl: '?' }], namespaces: {} },
    status: accepted,
  };
  expect(statusOf(broken, judge([broken]).get('a')!, now)).toMatchObject({ state: 'Errored', lastKnownSpec: good });
  const second = configuration('b', '2026-01-02T00:00:00Z', good, { status: accepted });
  expect(statusOf(second, judge([first, second]).get('b')!, now)).not.toHaveProperty('lastKnownSpec');
});

it('knows the pod-level metrics of every plugin', async () => {
  const folder = new URL('../../../../plugins/', import.meta.url);
  const options = new Set<string>();
  for (const name of readdirSync(folder)) {
    const { default: plugin } = (await import(new URL(`${name}/src/index.ts`, folder).href)) as { default: Plugin };
    for (const spec of Object.values(plugin.metrics)) if (spec.scope === 'pod') options.add(spec.option);
  }
  expect(options.size).toBeGreaterThan(10);
  expect([...options].filter((option) => !KNOWN_METRICS.includes(option))).toEqual([]);
});
