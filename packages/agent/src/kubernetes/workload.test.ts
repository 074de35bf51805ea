import { expect, test } from 'vitest';
import { workloadsOf } from './workload.ts';

const CREATED = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = Math.floor(CREATED / 60_000);

test.each([
  ['a Deployment', 'ReplicaSet', 'web-5d9c7f', { 'pod-template-hash': '5d9c7f' }, ['Deployment web', 'ReplicaSet web-5d9c7f']],
  ['a Rollout', 'ReplicaSet', 'web-5d9c7f', { 'rollouts-pod-template-hash': '5d9c7f' }, ['Rollout web', 'ReplicaSet web-5d9c7f']],
  ['a ReplicaSet of its own', 'ReplicaSet', 'web-5d9c7f', {}, ['ReplicaSet web-5d9c7f']],
  ['a ReplicaSet whose name has another hash', 'ReplicaSet', 'web-a', { 'pod-template-hash': 'b' }, ['ReplicaSet web-a']],
  ['a ReplicaSet that is all hash', 'ReplicaSet', '-5d9c7f', { 'pod-template-hash': '5d9c7f' }, ['ReplicaSet -5d9c7f']],
  ['a CronJob', 'Job', `backup-${MINUTE - 5}`, {}, ['CronJob backup', `Job backup-${MINUTE - 5}`]],
  ['a Job with a date in its name', 'Job', 'import-20260131', {}, ['Job import-20260131']],
  ['a Job', 'Job', 'migrate', {}, ['Job migrate']],
  ['a StatefulSet', 'StatefulSet', 'db', {}, ['StatefulSet db']],
  ['a static pod', 'Node', 'node1', {}, ['Node node1']],
])('%s', (_what, kind, name, labels, expected) => {
  const found = workloadsOf([{ kind, name, controller: true }], labels, CREATED);
  expect(found.map((one) => `${one.kind} ${one.name}`)).toEqual(expected);
}); // prettier-ignore

test('the controller counts, whoever else owns the pod; nobody is nobody', () => {
  const owners = [
    { kind: 'Sidecar', name: 's' },
    { kind: 'DaemonSet', name: 'd', controller: true },
  ];
  expect(workloadsOf(owners, undefined, undefined)).toEqual([{ kind: 'DaemonSet', name: 'd' }]);
  expect([workloadsOf(undefined, {}, CREATED), workloadsOf([{}], {}, CREATED)]).toEqual([[], []]);
});
