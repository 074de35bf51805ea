import type { PodMetricsConfig } from '@retina/core';
import type { RetinaError } from '@retina/sdk';
import { beforeEach, expect, it } from 'vitest';
import { Configurations } from './configurations.ts';
import type { ConfigurationFacts } from './metrics-configuration.ts';

type Override = { metrics?: PodMetricsConfig['metrics']; chosen?: boolean };
let problems: Map<string, RetinaError>;
let override: Override;
let lines: string[];
let configurations: Configurations;

beforeEach(() => {
  problems = new Map();
  lines = [];
  const say = (message: string) => void lines.push(message);
  const log = { debug: say, info: say, warn: say, error: say };
  configurations = new Configurations({ problems, overridePods: (next: Override) => (override = next) }, log, false);
});

const facts = (name: string, created: string, metricName: string, more: object = {}): ConfigurationFacts => ({
  name, created, spec: { contextOptions: [{ metricName, sourceLabels: ['IP'], ...more }], namespaces: {} },
}); // prettier-ignore
const inForce = () => override.metrics?.contextOptions.map(({ metricName }) => metricName);
const take = (one: ConfigurationFacts) => configurations.take(one.name, one);

it('takes every field as the original spells it', () => {
  configurations.synced();
  const spec = {
    contextOptions: [
      { metricName: 'drop_count', sourceLabels: ['IP', 'PodName'], destinationLabels: ['Zone'], additionalLabels: ['Is_Reply', 'other'], ttl: '5m' },
      { metricName: 'forward_bytes', sourceLabels: null, ttl: '' },
    ],
    namespaces: { include: ['shop'], exclude: [] },
  }; // prettier-ignore
  configurations.take('a', { name: 'a', created: '', spec });
  expect(override.metrics).toEqual({
    contextOptions: [
      { metricName: 'drop_count', sourceLabels: ['ip', 'podname'], destinationLabels: ['zone'], additionalLabels: ['is_reply'], ttlMs: 300_000 },
      { metricName: 'forward_bytes', sourceLabels: [], destinationLabels: [], additionalLabels: [], ttlMs: undefined },
    ],
    namespaces: { include: ['shop'] },
  }); // prettier-ignore
});

it('puts the oldest in force, not the first to come; deletion gives the next one its turn, and at last the defaults', () => {
  take(facts('b', '2026-01-02T00:00:00Z', 'drop_count'));
  take(facts('c', '2026-01-02T00:00:00Z', 'drop_bytes'));
  take(facts('a', '2026-01-01T00:00:00Z', 'forward_count'));
  expect(inForce()).toBeUndefined(); // an older one may still come
  configurations.synced();
  expect(inForce()).toEqual(['forward_count']);
  expect(lines).toContain('more than one MetricsConfiguration: the oldest is in force');
  configurations.take('a', undefined);
  expect(inForce()).toEqual(['drop_count']);
  configurations.take('b', undefined);
  configurations.take('c', undefined);
  expect(override).toEqual({ chosen: false });
});

it.each([
  ['an unknown label', facts('a', '', 'drop_count', { sourceLabels: ['nonsense'] })],
  ['a duration that is none', facts('a', '', 'drop_count', { ttl: 'soon' })],
  ['a metric twice', { name: 'a', created: '', spec: { contextOptions: ['Drop_Count', 'drop_count'].map((metricName) => ({ metricName })) } }],
  ['both lists of namespaces', { name: 'a', created: '', spec: { contextOptions: [], namespaces: { include: ['x'], exclude: ['y'] } } }],
  ['no list where one belongs', { name: 'a', created: '', spec: { contextOptions: 'x' } }],
])('with %s goes on with what was in force before, and says so', (_what, bad) => {
  configurations.synced();
  take(facts('a', '', 'forward_count'));
  take(bad);
  expect(inForce()).toEqual(['forward_count']);
  expect(problems.get('MetricsConfiguration')?.code).toBe('RETINA_CONFIG_INVALID');
  take(facts('a', '', 'drop_bytes'));
  expect([inForce(), problems.size]).toEqual([['drop_bytes'], 0]);
}); // prettier-ignore

it('never lets a younger one in because the oldest has a mistake', () => {
  configurations.synced();
  take(facts('b', '2', 'forward_count'));
  take(facts('a', '1', 'drop_count', { ttl: 'soon' }));
  expect(inForce()).toBeUndefined();
  configurations[Symbol.dispose]();
  expect([override, problems.size]).toEqual([{}, 0]);
});

it.each([
  ['what the operator knows to have been good', facts('a', '', 'drop_bytes').spec, ['drop_bytes']],
  ['the defaults, where that is wrong as well', { contextOptions: 'x' }, undefined],
  ['the defaults, where it knows nothing', undefined, undefined],
])('an agent that starts while the oldest has a mistake goes by %s, and says so', (_what, lastKnown, families) => {
  take({ ...facts('a', '', 'drop_count', { ttl: 'soon' }), lastKnown });
  configurations.synced();
  expect([inForce(), problems.get('MetricsConfiguration')?.code]).toEqual([families, 'RETINA_CONFIG_INVALID']);
  take(facts('a', '', 'forward_count'));
  expect([inForce(), problems.size]).toEqual([['forward_count'], 0]);
});

it('goes on by what it has in force itself, whatever the operator writes down meanwhile', () => {
  configurations.synced();
  take(facts('a', '', 'forward_count'));
  const said = lines.length;
  take({ ...facts('a', '', 'forward_count'), lastKnown: facts('a', '', 'forward_count').spec });
  expect(lines).toHaveLength(said);
  take({ ...facts('a', '', 'drop_count', { ttl: 'soon' }), lastKnown: facts('a', '', 'drop_bytes').spec });
  expect(inForce()).toEqual(['forward_count']);
});

it('hands over to another one, which only takes note until then; what is in force stays until objects have been read', () => {
  configurations.synced();
  take(facts('a', '', 'forward_count'));
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const next = (chosen: boolean) =>
    new Configurations({ problems, overridePods: (one: Override) => (override = one) }, log, chosen, true);
  const reads = next(true);
  reads.take('a', facts('a', '', 'drop_count'));
  expect([inForce(), override.chosen]).toEqual([['forward_count'], false]);
  reads.follow(configurations, true);
  expect([inForce(), override.chosen]).toEqual([['forward_count'], true]);
  configurations[Symbol.dispose]();
  take(facts('a', '', 'drop_bytes'));
  expect(inForce()).toEqual(['forward_count']);
  reads.synced();
  expect(inForce()).toEqual(['drop_count']);
  next(true).follow(reads, false); // objects are not read
  expect(override).toEqual({ chosen: true });
});
