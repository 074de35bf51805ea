import { FlowWriter, type FlowValues, Observation, type PodCounterSpec, Reply, Verdict } from '@retina/sdk';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FlowPipeline } from '../flows/pipeline.ts';
import { parseAddress } from '../identity/address.ts';
import { EndpointTable } from '../identity/table.ts';
import type { PodMetricsConfig } from './pod-options.ts';
import { MetricStore } from './store.ts';

const FORWARD: PodCounterSpec = {
  kind: 'counter', help: 'Packets.', scope: 'pod', option: 'forward_count', direction: true, additional: ['is_reply'],
}; // prettier-ignore
const FLAGS: PodCounterSpec = {
  kind: 'counter',
  help: 'Flags.',
  scope: 'pod',
  option: 'tcp_flag_gauges',
  labels: ['flag'],
};
const DROPS: PodCounterSpec = {
  kind: 'counter',
  help: 'Drops.',
  scope: 'pod',
  option: 'drop_count',
  labels: ['reason'],
  direction: true,
};

const [UPLINK, VETH_A, VETH_B] = [2, 10, 11];
const [NETNS_A, NETNS_HOST] = [4_001, 4_000];
const A = '10.0.0.1';
const B = '10.0.0.2';
const HOST = '192.0.2.7';
const OUTSIDE = '198.51.100.9';

let now: number;
let table: EndpointTable;
let store: MetricStore;
let emit: (record: FlowValues) => void;
let pods: ReturnType<EndpointTable['provider']>;

/** A host with pods a and b behind veths, observed by one plugin that counts packets, flags and drops. */
function setUp(config: PodMetricsConfig) {
  now = 1e12;
  table = new EndpointTable({ now: () => now });
  pods = table.provider(0);
  pods.put({
    key: 'host',
    kind: 'host',
    name: 'node-1',
    addresses: [HOST, '127.0.0.1'],
    netns: [NETNS_HOST],
    host: true,
  });
  pods.put({
    key: 'a',
    kind: 'pod',
    namespace: 'default',
    name: 'a',
    addresses: [A, 'fd00::1'],
    interfaces: [VETH_A],
    netns: [NETNS_A],
    workloads: [{ kind: 'Deployment', name: 'web' }],
    zone: 'z1',
  });
  pods.put({ key: 'b', kind: 'pod', namespace: 'kube-system', name: 'b', addresses: [B], interfaces: [VETH_B] });
  store = new MetricStore({ endpoints: table, now: () => now, lingerMs: 60_000, pods: config });
  const metrics = store.open('p', {
    adv_forward_count: FORWARD,
    adv_tcpflags_count: FLAGS,
    adv_drop_count: DROPS,
  }).instruments;
  const flows = new FlowPipeline({ endpoints: table }).source('p');
  const domain = store.labels.domain('p');
  const writer = new FlowWriter();
  emit = ({ sourceAddress, ...record }) => {
    writer.clear();
    writer.add({ sourceAddress: sourceAddress!, ...record });
    const batch = writer.batch();
    flows.emit(batch);
    if (batch.verdict(0) === Verdict.DROPPED)
      metrics.adv_drop_count.add(batch.packets(0), batch, 0, batch.dropReason(0));
    else {
      metrics.adv_forward_count.add(batch.packets(0), batch, 0);
      metrics.adv_tcpflags_count.add(batch.flagCount(0, 1), batch, 0, domain.id('SYN'));
    }
  };
}

function flow(from: string, to: string, values: FlowValues): FlowValues {
  const ports = { sourcePort: 40_000, destinationPort: 80, protocol: 6 };
  return {
    sourceAddress: parseAddress(from)!,
    destinationAddress: parseAddress(to)!,
    packets: 1,
    verdict: Verdict.FORWARDED,
    ...ports,
    ...values,
  };
}
const fromA = { observation: Observation.FROM_ENDPOINT, ifindex: VETH_A };
const toB = { observation: Observation.TO_ENDPOINT, ifindex: VETH_B };
const toNetwork = { observation: Observation.TO_NETWORK, ifindex: UPLINK };
const fromNetwork = { observation: Observation.FROM_NETWORK, ifindex: UPLINK };

function read(name: string): Record<string, number> {
  const rows: Record<string, number> = {};
  for (const family of store.families()) {
    if (family.name !== `networkobservability_${name}`) continue;
    for (let i = 0; i < family.size; i++) {
      if (family.live(i)) rows[family.labels.map((l, j) => `${l}=${family.label(i, j)}`).join(' ')] = family.value(i);
    }
  }
  return rows;
}

const only = (sourceLabels: string[], destinationLabels: string[] = [], more = {}): PodMetricsConfig['metrics'] => ({
  contextOptions: ['forward_count', 'drop_count', 'tcp_flag_gauges'].map((metricName) => ({
    metricName, sourceLabels, destinationLabels, additionalLabels: [], ttlMs: undefined, ...more,
  })) as never,
  namespaces: {},
}); // prettier-ignore

describe('pod-level metrics in local context', () => {
  beforeEach(() => setUp({ context: 'local', metrics: only(['podname', 'NAMESPACE'.toLowerCase()]) }));

  it('counts a packet between two pods once for each of them, at its own interface', () => {
    emit(flow(A, B, { ...fromA, packets: 5 }));
    emit(flow(A, B, { ...toB, packets: 5 }));
    expect(read('adv_forward_count')).toEqual({
      'direction=egress namespace=default podname=a': 5,
      'direction=ingress namespace=kube-system podname=b': 5,
    });
  });

  it('counts at the uplink only what is the host’s own', () => {
    emit(flow(A, OUTSIDE, { ...fromA, packets: 3 }));
    emit(flow(A, OUTSIDE, { ...toNetwork, packets: 3 }));
    emit(flow(OUTSIDE, A, { ...fromNetwork, packets: 2 }));
    emit(flow(HOST, OUTSIDE, { ...toNetwork, packets: 7 }));
    emit(flow(OUTSIDE, HOST, { ...fromNetwork, packets: 11 }));
    expect(read('adv_forward_count')).toEqual({
      'direction=egress namespace=default podname=a': 3,
      'direction=egress namespace=unknown podname=node-1': 7,
      'direction=ingress namespace=unknown podname=node-1': 11,
    });
  });

  it('counts a masqueraded packet once, for the pod that sent it', () => {
    emit(flow(A, OUTSIDE, { ...fromA, packets: 3, flowId: 1, fresh: 1 }));
    emit(flow(HOST, OUTSIDE, { ...toNetwork, packets: 3, flowId: 2, fresh: 1 }));
    expect(read('adv_forward_count')).toEqual({ 'direction=egress namespace=default podname=a': 3 });
  });

  it('knows a pod by its interface, whatever address it speaks from', () => {
    emit(flow('203.0.113.50', B, fromA));
    expect(read('adv_forward_count')).toEqual({ 'direction=egress namespace=default podname=a': 1 });
  });

  it('counts a drop for the namespace it happened in, else for the pod among its addresses', () => {
    const dropped = {
      verdict: Verdict.DROPPED,
      observation: Observation.HOST,
      dropReason: store.labels.domain('p').id('R'),
    };
    emit(flow(OUTSIDE, A, { ...dropped, netns: NETNS_A, packets: 1 }));
    emit(flow('127.0.0.1', '127.0.0.1', { ...dropped, netns: NETNS_A, packets: 2 }));
    emit(flow(A, OUTSIDE, { ...dropped, netns: NETNS_HOST, packets: 4 }));
    emit(flow(OUTSIDE, B, { ...dropped, netns: NETNS_HOST, packets: 8 }));
    emit(flow(HOST, B, { ...dropped, netns: NETNS_HOST, packets: 64 }));
    emit(flow(OUTSIDE, HOST, { ...dropped, netns: NETNS_HOST, packets: 16 }));
    emit(flow(OUTSIDE, '198.51.100.10', { ...dropped, netns: 77, packets: 32 }));
    expect(read('adv_drop_count')).toEqual({
      'reason=R direction=ingress namespace=default podname=a': 1,
      'reason=R direction=egress namespace=default podname=a': 2 + 4,
      'reason=R direction=ingress namespace=kube-system podname=b': 8,
      'reason=R direction=ingress namespace=unknown podname=node-1': 16,
      'reason=R direction=egress namespace=unknown podname=node-1': 64,
    });
  });
});

describe('pod-level metrics in remote context', () => {
  it('has the original’s default labels on both sides', () => {
    setUp({ context: 'remote' });
    emit(flow(A, B, { ...fromA, packets: 5, flagCounts: [0, 2] }));
    emit(flow(A, B, { ...toB, packets: 5 }));
    const ends =
      'source_ip=10.0.0.1 source_namespace=default source_podname=a source_workload_kind=Deployment source_workload_name=web ' +
      'destination_ip=10.0.0.2 destination_namespace=kube-system destination_podname=b destination_workload_kind=unknown destination_workload_name=unknown';
    expect(read('adv_forward_count')).toEqual({ [`direction=EGRESS ${ends}`]: 5, [`direction=INGRESS ${ends}`]: 5 });
    expect(read('adv_tcpflags_count')).toEqual({ [`flag=SYN ${ends}`]: 2 });
  });

  it('orders labels as the original does, in any case, and has a port label where there is no port', () => {
    setUp({ context: 'remote', metrics: only(['zone', 'PORT', 'Ip'], ['port', 'service']) });
    emit(flow(A, B, fromA));
    emit(flow('fd00::1', '2001:db8::1', { ...fromA, protocol: 58, family: 6, sourcePort: 0, destinationPort: 0 }));
    expect(Object.keys(read('adv_forward_count'))).toEqual([
      'direction=EGRESS source_ip=10.0.0.1 source_port=40000 source_zone=z1 destination_service=unknown destination_port=80',
      'direction=EGRESS source_ip=fd00::1 source_port=unknown source_zone=z1 destination_service=unknown destination_port=unknown',
    ]);
  });

  it('adds is_reply where it is asked for', () => {
    setUp({ context: 'remote', metrics: only(['podname'], [], { additionalLabels: ['is_reply'] }) });
    emit(flow(A, B, { ...fromA, flowId: 3, isReply: Reply.UNKNOWN }));
    emit(flow(A, B, { ...fromA, flowId: 3, isReply: Reply.YES }));
    expect(read('adv_forward_count')).toEqual({
      'direction=EGRESS source_podname=a is_reply=unknown': 1,
      'direction=EGRESS source_podname=a is_reply=true': 1,
    });
    expect(Object.keys(read('adv_tcpflags_count'))).toEqual([]);
  });

  it.each([
    [{ include: ['default'] }, { local: 1, remote: 2 }],
    [{ exclude: ['default'] }, { local: 1, remote: 2 }],
    [{ include: ['other'] }, { local: 0, remote: 0 }],
  ])('keeps namespaces to %j', (namespaces, expected) => {
    for (const context of ['local', 'remote'] as const) {
      setUp({ context, metrics: { contextOptions: [], namespaces } });
      emit(flow(A, B, fromA));
      emit(flow(A, B, toB));
      const sum = Object.values(read('adv_forward_count')).reduce((a, b) => a + b, 0);
      expect(sum).toBe(expected[context]);
    }
  });
});

describe('with endpoints that are chosen', () => {
  const counted = () => Object.values(read('adv_forward_count')).reduce((a, b) => a + b, 0);
  const choose = (observed: boolean) =>
    pods.put({ key: 'b', kind: 'pod', namespace: 'kube-system', name: 'b', addresses: [B], interfaces: [VETH_B], observed }); // prettier-ignore

  it('counts for the chosen end, in remote context for either, and follows the choice', () => {
    for (const [context, expected] of [['local', 1], ['remote', 2]] as const) {
      setUp({ context, interest: 'chosen' });
      for (const step of [0, 1]) {
        emit(flow(A, B, { ...fromA, flowId: 5 }));
        emit(flow(A, B, { ...toB, flowId: 6 }));
        expect(counted()).toBe(step * expected);
        choose(true);
      }
      choose(false);
      emit(flow(A, B, { ...fromA, flowId: 5 }));
      emit(flow(A, B, { ...toB, flowId: 6 }));
      expect(counted()).toBe(expected);
    }
  }); // prettier-ignore

  it('costs the others a look-up for each flow, and nothing else', () => {
    setUp({ context: 'remote', interest: 'chosen' });
    const [asked, named] = [vi.spyOn(table, 'observed'), vi.spyOn(table, 'byId')];
    for (let second = 0; second < 60; second++) {
      const more = { ...fromA, fresh: second === 0 ? 1 : 0, flagCounts: [0, 1] };
      emit(flow(A, B, { ...more, flowId: 5 }));
      emit(flow(A, OUTSIDE, { ...more, flowId: 6 }));
    }
    // Once for each end, flow, and set of labels: those with a direction and those without. No label was ever made.
    expect([asked.mock.calls.length, named.mock.calls.length]).toEqual([2 * 2 * 2, 0]);
    expect([read('adv_forward_count'), read('adv_tcpflags_count')]).toEqual([{}, {}]);
  });

  it('counts for all where that is asked for, whatever namespaces say', () => {
    setUp({ context: 'local', interest: 'all', metrics: { contextOptions: [], namespaces: { include: ['other'] } } });
    emit(flow(A, B, fromA));
    expect(counted()).toBe(1);
  });
});

describe('what is remembered by flow id', () => {
  beforeEach(() => setUp({ context: 'local', metrics: only(['podname']) }));

  it('ends when the slot has a new owner', () => {
    emit(flow(A, B, { ...fromA, flowId: 5, fresh: 1 }));
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    emit(flow(A, B, { ...toB, flowId: 5, fresh: 1 }));
    emit(flow(A, B, { ...toB, flowId: 5 }));
    expect(read('adv_forward_count')).toEqual({ 'direction=egress podname=a': 2, 'direction=ingress podname=b': 2 });
  });

  it('ends when identity changes', () => {
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    pods.put({ key: 'a', kind: 'pod', namespace: 'default', name: 'renamed', addresses: [A], interfaces: [VETH_A] });
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    expect(read('adv_forward_count')).toEqual({
      'direction=egress podname=a': 1,
      'direction=egress podname=renamed': 1,
    });
  });

  it('ends when the configuration changes, and families that stay the same keep their counts', () => {
    emit(flow(A, B, { ...fromA, flowId: 5, flagCounts: [0, 1] }));
    const metrics = only(['podname'])!;
    const changed = metrics.contextOptions.map((o) =>
      o.metricName === 'forward_count' ? { ...o, sourceLabels: ['namespace' as const] } : o,
    );
    store.configurePods({ context: 'local', metrics: { ...metrics, contextOptions: changed } });
    emit(flow(A, B, { ...fromA, flowId: 5, flagCounts: [0, 1] }));
    expect(read('adv_forward_count')).toEqual({ 'direction=egress namespace=default': 1 });
    expect(read('adv_tcpflags_count')).toEqual({ 'flag=SYN podname=a': 2 });
    store.configurePods({ context: 'local', metrics: { ...metrics, contextOptions: changed.slice(0, 1) } });
    expect(read('adv_tcpflags_count')).toEqual({});
    store.configurePods({ context: 'off' });
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    expect([...store.families()].filter((f) => f.name.includes('adv_'))).toEqual([]);
  });
});

describe('the life of a series', () => {
  const at = (ms: number) => {
    now = 1e12 + ms;
    table.sweep();
    store.sweep();
  };

  it('ends with its endpoint, two scrapes after the last late flow', () => {
    setUp({ context: 'remote', metrics: only(['podname'], ['podname']) });
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    emit(flow(B, OUTSIDE, { observation: Observation.FROM_ENDPOINT, ifindex: VETH_B, flowId: 6 }));
    pods.remove('a');
    at(9_000);
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    expect(read('adv_forward_count')['direction=EGRESS source_podname=a destination_podname=b']).toBe(2);
    at(11_000);
    expect(Object.keys(read('adv_forward_count'))).toHaveLength(2);
    at(72_000);
    expect(Object.keys(read('adv_forward_count'))).toEqual([
      'direction=EGRESS source_podname=b destination_podname=unknown',
    ]);
    expect(read('adv_forward_count')).toEqual({ 'direction=EGRESS source_podname=b destination_podname=unknown': 1 });
  });

  it('goes on while another endpoint reads the same', () => {
    setUp({ context: 'local', metrics: only(['workload']) });
    pods.put({
      key: 'a2',
      kind: 'pod',
      namespace: 'default',
      name: 'a2',
      addresses: ['10.0.0.9'],
      interfaces: [12],
      workloads: [{ kind: 'Deployment', name: 'web' }],
    });
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    emit(flow('10.0.0.9', B, { ...fromA, ifindex: 12, flowId: 6 }));
    pods.remove('a');
    at(11_000);
    at(80_000);
    emit(flow('10.0.0.9', B, { ...fromA, ifindex: 12, flowId: 6 }));
    expect(read('adv_forward_count')).toEqual({ 'direction=egress workload_kind=Deployment workload_name=web': 3 });
  });

  it('ends with its endpoint where the address is its only label', () => {
    setUp({ context: 'local', metrics: only(['ip']) });
    emit(flow(A, B, { ...fromA, flowId: 5 }));
    emit(flow(A, B, { ...toB, flowId: 6 }));
    pods.remove('a');
    at(11_000);
    at(80_000);
    expect(read('adv_forward_count')).toEqual({ 'direction=ingress ip=10.0.0.2': 1 });
  });

  it('ends after its TTL without a sample, and is counted', () => {
    setUp({ context: 'local', metrics: only(['podname'], [], { ttlMs: 5_000 }) });
    emit(flow(A, B, fromA));
    emit(flow(A, B, toB));
    at(4_000);
    emit(flow(A, B, toB));
    at(6_000);
    expect(read('adv_forward_count')).toEqual({ 'direction=ingress podname=b': 2 });
    const expired = [...store.families()].find((f) => f.name.endsWith('expired_metrics_counter'))!;
    expect([expired.label(0, 0), expired.value(0)]).toEqual(['networkobservability_adv_forward_count', 1]);
  });
});
