import { type FlowValues, FlowWriter, type MetricFamily, Observation, type PodHistogramSpec } from '@retina/sdk';
import { beforeEach, describe, expect, it } from 'vitest';
import { FlowPipeline } from '../flows/pipeline.ts';
import { parseAddress } from '../identity/address.ts';
import { EndpointTable } from '../identity/table.ts';
import type { PodMetricsConfig } from './pod-options.ts';
import { MetricStore } from './store.ts';

const RTT = {
  kind: 'histogram', help: 'Round-trip times.', unit: 'seconds', scope: 'pod', option: 'rtt', direction: true,
  buckets: { scale: 0, from: 0.25, to: 1 },
} as const satisfies PodHistogramSpec; // prettier-ignore
const WAIT = {
  kind: 'histogram', help: 'Waits by kind.', scope: 'pod', option: 'wait', labels: ['kind'], buckets: [1, 2], maxSeries: 2,
} as const satisfies PodHistogramSpec; // prettier-ignore

let now: number;
let table: EndpointTable;
let store: MetricStore;
let pods: ReturnType<EndpointTable['provider']>;

const LOCAL: PodMetricsConfig = {
  context: 'local',
  metrics: {
    contextOptions: ['rtt', 'wait'].map((metricName) => ({
      metricName, sourceLabels: ['podname'], destinationLabels: [], additionalLabels: [], ttlMs: undefined,
    })),
    namespaces: {},
  },
}; // prettier-ignore

function open() {
  return store.open('p', { rtt: RTT, wait: WAIT }).instruments;
}

function row(pod: number, values: FlowValues = {}) {
  const writer = new FlowWriter(1);
  const ends = { sourceAddress: parseAddress(`10.0.0.${pod}`)!, destinationAddress: parseAddress('10.0.0.99')! };
  writer.add({ ...ends, observation: Observation.FROM_ENDPOINT, ifindex: pod, protocol: 6, ...values });
  const batch = writer.batch();
  new FlowPipeline({ endpoints: table }).source('p').resolve(batch);
  return batch;
}

/** Series by labels: cumulative counts, then the sum. */
function read(name: string): Record<string, readonly number[]> {
  const out: Record<string, readonly number[]> = {};
  const family = [...store.families()].find((one: MetricFamily) => one.name === `networkobservability_${name}`);
  for (let i = 0; family && i < family.size; i++) {
    if (!family.live(i)) continue;
    const { counts, sum } = family.histogram!(i);
    out[family.labels.map((_, j) => family.label(i, j)).join()] = [...counts, sum];
  }
  return out;
}

beforeEach(() => {
  now = 1e12;
  table = new EndpointTable({ now: () => now });
  pods = table.provider(0);
  for (const n of [1, 2, 3, 4]) {
    pods.put({ key: `p${n}`, kind: 'pod', namespace: 'd', name: `p${n}`, addresses: [`10.0.0.${n}`], interfaces: [n] });
  }
  store = new MetricStore({ endpoints: table, now: () => now, lingerMs: 60_000, pods: LOCAL });
});

describe('pod-level histograms', () => {
  it('observe for the endpoint a record counts for, zero included, and for none at a foreign interface', () => {
    const { rtt } = open();
    for (const value of [0, 0.25, 0.3, 7]) rtt.observe(value, row(1), 0);
    rtt.observe(0.5, row(2), 0);
    rtt.observe(1, row(1, { observation: Observation.TO_NETWORK }), 0);
    expect(read('rtt')).toEqual({ 'egress,p1': [2, 3, 3, 4, 7.55], 'egress,p2': [0, 1, 1, 1, 0.5] });
    expect(() => rtt.observe(NaN, row(1), 0)).toThrow(/found: NaN/);
  });

  it('take counts from elsewhere, and refuse what cannot be some', () => {
    const { rtt } = open();
    rtt.add([1, 0, 2, 1], 12, row(1), 0);
    rtt.observe(0.5, row(1), 0);
    expect(read('rtt')).toEqual({ 'egress,p1': [1, 2, 4, 5, 12.5] });
    expect(() => rtt.add([1, 2], 3, row(1), 0)).toThrow(/found: 2 of them; needed: 4/);
    expect(() => rtt.add([1, -1, 0, 0], 3, row(1), 0)).toThrow(/found: -1/);
    expect(read('rtt')).toEqual({ 'egress,p1': [1, 2, 4, 5, 12.5] });
  });

  it('go to the overflow series past the cap', () => {
    const { wait } = open();
    const kind = store.labels.domain('p').id('k');
    for (const pod of [1, 2, 3, 4]) wait.observe(pod, row(pod), 0, kind);
    expect(read('wait')).toEqual({ 'k,p1': [1, 1, 1, 1], 'k,p2': [0, 1, 1, 2], 'overflow,overflow': [0, 0, 2, 7] });
  });

  it('end with their endpoint, begin at zero in a place that was freed, and stay through a reload', () => {
    open().rtt.observe(0.25, row(1), 0);
    open().rtt.observe(0.25, row(1), 0);
    expect(read('rtt')).toEqual({ 'egress,p1': [2, 2, 2, 2, 0.5] });
    const old = row(1);
    pods.remove('p1');
    now += 11_000;
    table.sweep();
    now += 61_000;
    store.sweep();
    expect(read('rtt')).toEqual({});
    const { rtt } = open();
    rtt.observe(1, row(2), 0);
    rtt.observe(1, old, 0); // a late record of an endpoint nobody knows any more
    expect(read('rtt')['egress,p2']).toEqual([0, 0, 1, 1, 1]);
    store.configurePods({ context: 'off' });
    rtt.observe(1, row(2), 0);
    rtt.add([0, 0, 0, 0], 0, row(2), 0);
    expect(read('rtt')).toEqual({});
  });
});
