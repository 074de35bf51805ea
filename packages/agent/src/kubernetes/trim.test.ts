import type { LabelSelector } from '@retina/core';
import type { Pod } from '@retina/kube';
import { describe, expect, it, test } from 'vitest';
import { matches } from './selector.ts';
import { Trim } from './trim.ts';

const trim = new Trim({ nodeName: 'node1', annotations: true, podSelector: undefined, namespaceSelector: undefined });

function pod(spec: Partial<Pod['spec']>, status: Pod['status'], metadata: Partial<Pod['metadata']> = {}): Pod {
  return { metadata: { name: 'web-1', namespace: 'shop', uid: 'u1', ...metadata }, spec: { containers: [], ...spec }, ...(status && { status }) }; // prettier-ignore
}
const running = { phase: 'Running', podIP: '10.244.1.7', podIPs: [{ ip: '10.244.1.7' }, { ip: 'fd00::7' }], hostIP: '172.30.0.2' } as const; // prettier-ignore

describe('a pod', () => {
  it('has all its addresses, its workload, its labels and its annotation', () => {
    const facts = trim.pod(
      pod(
        { nodeName: 'node1' },
        { ...running, containerStatuses: [{ name: 'c', containerID: 'containerd://1' }] },
        {
          labels: { app: 'web', 'pod-template-hash': '5d9' },
          annotations: { 'retina.sh': 'observe' },
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5d9', uid: 'r', controller: true }],
        },
      ),
    );
    expect(facts).toEqual({
      namespace: 'shop',
      name: 'web-1',
      addresses: ['10.244.1.7', 'fd00::7'],
      labels: { app: 'web', 'pod-template-hash': '5d9' },
      workloads: [{ kind: 'Deployment', name: 'web' }, { kind: 'ReplicaSet', name: 'web-5d9' }],
      node: 'node1',
      annotated: true,
      selected: true,
      incarnation: 'u1 containerd://1',
    }); // prettier-ignore
  });

  it.each([
    ['no address yet', pod({}, { phase: 'Pending' })],
    ['no status', pod({}, undefined)],
    ['its node’s network', pod({ hostNetwork: true }, running)],
    ['its node’s address', pod({}, { ...running, podIPs: [{ ip: '172.30.0.2' }] })],
    ['ended well', pod({}, { ...running, phase: 'Succeeded' })],
    ['ended badly', pod({}, { ...running, phase: 'Failed' })],
  ])('is nobody’s address with %s', (_why, object) => expect(trim.pod(object)).toBeUndefined());

  it('keeps a bounded part of five thousand labels, and selectors see all of them', () => {
    const labels = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`l${String(i).padStart(4, '0')}`, 'x']));
    const podSelector: LabelSelector = { matchLabels: { l4999: 'x' }, matchExpressions: [] };
    const one = new Trim({ nodeName: 'n', annotations: false, podSelector, namespaceSelector: undefined });
    const facts = one.pod(pod({}, running, { labels }))!;
    expect([Object.keys(facts.labels).length, facts.labels['l0063'], facts.selected]).toEqual([64, 'x', true]);
    expect(one.pod(pod({}, running, { labels: { a: 'b' } }))!.selected).toBe(false);
  });

  it('shares what it has in common with others', () => {
    const [a, b] = ['a', 'b'].map((name) => trim.pod(pod({}, running, { name, labels: { app: 'web' } }))!);
    expect([a!.labels === b!.labels, a!.workloads === b!.workloads]).toEqual([true, true]);
  });
});

test('a RetinaEndpoint is a pod by what it says; one on its node’s address is none', () => {
  const metadata = { namespace: 'shop', name: 'web-1' };
  const spec = { podIP: '10.0.0.1', podIPs: ['10.0.0.1', 'fd00::1'], nodeIP: '172.30.0.2', labels: { app: 'web' }, ownerReferences: [{ kind: 'Deployment', name: 'web' }], annotations: { 'retina.sh': 'observe' } }; // prettier-ignore
  expect(trim.endpoint({ metadata, spec })).toEqual({
    ...metadata, addresses: ['10.0.0.1', 'fd00::1'], labels: { app: 'web' }, workloads: [{ kind: 'Deployment', name: 'web' }],
    nodeAddress: '172.30.0.2', annotated: true, selected: true,
  }); // prettier-ignore
  expect(trim.endpoint({ metadata, spec: { ...spec, nodeIP: 'fd00::1' } })).toBeUndefined();
  expect(trim.endpoint({ metadata, spec: {} })).toBeUndefined();
});

test('a node has its internal and external addresses and its zone', () => {
  const addresses = [['InternalIP', '172.30.0.2'], ['InternalIP', 'fd00::2'], ['ExternalIP', '203.0.113.5'], ['Hostname', 'node1']]; // prettier-ignore
  const status = { addresses: addresses.map(([type, address]) => ({ type: type!, address: address! })) };
  const labels = { 'topology.kubernetes.io/zone': 'z1' };
  expect(trim.node({ metadata: { name: 'node1', labels }, status })).toEqual({
    name: 'node1', addresses: ['172.30.0.2', 'fd00::2', '203.0.113.5'], zone: 'z1',
  }); // prettier-ignore
  expect(trim.node({ metadata: { name: 'n' } })).toEqual({ name: 'n', addresses: [], zone: '' });
});

test('a service has cluster addresses of both families, what else leads to it, and its node ports', () => {
  expect(
    trim.service({
      metadata: { namespace: 'shop', name: 'web' },
      spec: {
        clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9', 'fd00:10:96::9'], externalIPs: ['192.0.2.9'], selector: { b: '2', a: '1' },
        ports: [{ port: 80, nodePort: 30_080 }, { port: 53, protocol: 'UDP', nodePort: 30_053 }, { port: 1, protocol: 'X', nodePort: 2 }],
      },
      status: { loadBalancer: { ingress: [{ ip: '198.51.100.1' }, { hostname: 'lb' }] } },
    }),
  ).toEqual({
    namespace: 'shop', name: 'web', clusterAddresses: ['10.96.0.9', 'fd00:10:96::9'], otherAddresses: ['192.0.2.9', '198.51.100.1'],
    selector: [['a', '1'], ['b', '2']], nodePorts: [{ protocol: 6, port: 30_080 }, { protocol: 17, port: 30_053 }],
  });
  const headless = { metadata: { namespace: 'shop', name: 'db' }, spec: { clusterIP: 'None', clusterIPs: ['None'] } };
  expect(trim.service(headless)).toMatchObject({ clusterAddresses: [], nodePorts: [] });
}); // prettier-ignore

test('a slice tells pods from addresses that are no pods', () => {
  const metadata = { namespace: 'shop', name: 'db-1', labels: { 'kubernetes.io/service-name': 'db' } };
  const endpoints = [{ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'db-0', namespace: 'shop' } }, { addresses: ['192.0.2.1'] }]; // prettier-ignore
  expect(trim.slice({ metadata, addressType: 'IPv4', endpoints, ports: [{ port: 5432 }, {}] })).toEqual({
    namespace: 'shop', service: 'db', pods: ['shop/db-0'], addresses: ['192.0.2.1'], ports: [5432],
  }); // prettier-ignore
  expect(trim.slice({ metadata, addressType: 'FQDN', endpoints })).toBeUndefined();
  expect(trim.slice({ metadata: { name: 'x' }, addressType: 'IPv4' })).toBeUndefined();
});

test.each([
  [{}, { a: '1' }, true],
  [{ matchLabels: { a: '1' } }, { a: '1', b: '2' }, true],
  [{ matchLabels: { a: '1', b: '1' } }, { a: '1', b: '2' }, false],
  [{ matchLabels: { constructor: 'x' } }, {}, false],
  [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] }, { a: '2' }, true],
  [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['1'] }] }, {}, false],
  [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, {}, true],
  [{ matchExpressions: [{ key: 'toString', operator: 'Exists', values: [] }] }, {}, false],
  [{ matchExpressions: [{ key: 'a', operator: 'DoesNotExist', values: [] }] }, { b: '' }, true],
])('selector %j on %j: %s', (part, labels, expected) => {
  const selector = { matchLabels: {}, matchExpressions: [], ...part } as unknown as LabelSelector;
  expect(matches(selector, labels as Record<string, string>)).toBe(expected);
});
