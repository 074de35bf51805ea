import type { Pod } from '@retina/kube';
import { describe, expect, it } from 'vitest';
import { endpointOfPod, type OwnerOf } from './endpoint-of-pod.ts';
import { objectOf, olderVersion, storedOf } from './stored.ts';

interface Change {
  readonly metadata?: Partial<Pod['metadata']>;
  readonly spec?: Partial<Pod['spec']>;
  readonly status?: Pod['status'];
}

function pod({ metadata, spec, status }: Change = {}): Pod {
  return {
    metadata: { namespace: 'shop', name: 'web-5d8f-abcde', uid: 'u1', labels: { app: 'web' }, ...metadata },
    spec: { containers: [{ name: 'web' }], nodeName: 'node1', ...spec },
    status: {
      phase: 'Running',
      podIP: '10.244.1.7',
      podIPs: [{ ip: '10.244.1.7' }, { ip: 'fd00:10:244:1::7' }],
      hostIP: '172.30.0.2',
      containerStatuses: [{ name: 'web', containerID: 'containerd://abc' }],
      ...status,
    },
  };
}

const spec = (of: Pod, ownerOf?: OwnerOf) => JSON.parse(endpointOfPod(of, ownerOf)?.spec ?? 'null') as unknown;

it('says of a pod what agents on other nodes need, all addresses included', () => {
  expect(spec(pod())).toEqual({
    containers: [{ name: 'web', id: 'containerd://abc' }],
    nodeIP: '172.30.0.2',
    podIP: '10.244.1.7',
    podIPs: ['10.244.1.7', 'fd00:10:244:1::7'],
    labels: { app: 'web' },
  });
});

it.each([
  ['in the network of its node', pod({ spec: { hostNetwork: true } })],
  ['without an address', pod({ status: { podIPs: [], podIP: '' } })],
  ['that is over', pod({ status: { phase: 'Succeeded' } })],
  ['that failed', pod({ status: { phase: 'Failed' } })],
])('has none for a pod %s', (_what, of) => {
  expect(endpointOfPod(of)).toBeUndefined();
});

it('takes Retina’s own annotations, and no others', () => {
  const annotations = { 'retina.sh': 'observe', 'retina.sh/x': '1', 'retina.shop': 'no', 'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(1e5) }; // prettier-ignore
  expect(spec(pod({ metadata: { annotations } }))).toMatchObject({ annotations: { 'retina.sh': 'observe', 'retina.sh/x': '1' } }); // prettier-ignore
});

describe('the workload', () => {
  const owned = (kind: string, name: string, labels = {}) =>
    pod({ metadata: { labels, ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'o', controller: true }] } });
  const cron: OwnerOf = (kind, _namespace, name) =>
    kind === 'Job' && name === 'nightly-29' ? { apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly' } : undefined;

  it.each([
    ['Deployment/web', owned('ReplicaSet', 'web-5d8f', { 'pod-template-hash': '5d8f' })],
    ['ReplicaSet/web-5d8f', owned('ReplicaSet', 'web-5d8f')],
    ['ReplicaSet/web-x', owned('ReplicaSet', 'web-x', { 'pod-template-hash': '5d8f' })],
    ['CronJob/nightly', owned('Job', 'nightly-29')],
    ['Job/once', owned('Job', 'once')],
    ['DaemonSet/agent', owned('DaemonSet', 'agent')],
  ])('is %s', (wanted, of) => {
    const [kind, name] = wanted.split('/');
    expect(spec(of, cron)).toMatchObject({ ownerReferences: [{ kind, name }] });
  });
});

it('knows a RetinaEndpoint again that it wrote, and tells every difference', () => {
  const want = endpointOfPod(pod())!;
  const stored = (of = want) =>
    storedOf({ ...objectOf(of), metadata: { ...objectOf(of).metadata, uid: 'e1', resourceVersion: '7' } });
  expect(stored().digest).toBe(want.digest);
  const others = [
    pod({ metadata: { uid: 'u2' } }),
    pod({ metadata: { labels: {} } }),
    pod({ status: { podIPs: [{ ip: '10.244.1.8' }], podIP: '10.244.1.8' } }),
    pod({ status: { containerStatuses: [{ name: 'web', containerID: 'containerd://next' }] } }),
  ];
  for (const other of others) expect(endpointOfPod(other)!.digest).not.toBe(want.digest);
  // Somebody else's of the same content is not the operator's yet.
  const { labels: _, ...bare } = objectOf(want).metadata;
  expect(storedOf({ ...objectOf(want), metadata: bare }).digest).toBe('');
});

it('keeps what others put on a RetinaEndpoint', () => {
  const want = endpointOfPod(pod())!;
  const there = objectOf(want);
  const foreign = { labels: { ...there.metadata.labels, team: 'a' }, annotations: { note: 'b' }, finalizers: ['x/y'] };
  const stored = storedOf({ ...there, metadata: { ...there.metadata, ...foreign, uid: 'e1', resourceVersion: '7' } });
  expect(objectOf(want, stored).metadata).toMatchObject({ ...foreign, uid: 'e1', resourceVersion: '7' });
});

it('holds no version for older than one it cannot compare', () => {
  expect([olderVersion('9', '10'), olderVersion('10', '9'), olderVersion('a', 'b'), olderVersion('', '1')]).toEqual([true, false, false, true]); // prettier-ignore
});
