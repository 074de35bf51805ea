import type { Interface } from '@retina/loader';
import { expect, test } from 'vitest';
import { namespacesOf, nodeOnly } from './node-namespaces.ts';

function device(ifindex: number, kind: string, linkNetnsid = -1): Interface {
  return {
    ifindex, name: `i${ifindex}`, kind, up: true, loopback: false, mac: new Uint8Array(6), mtu: 1500, linkIfindex: 2,
    linkNetnsid, master: 0,
  }; // prettier-ignore
}
const named = (netnsid: number, inode: number) => ({ name: `n${inode}`, netnsid, inode });

test('a node has the namespaces its links lead to, but for the one beyond its uplink', () => {
  const interfaces = [
    device(2, 'veth', 0), // the uplink: leads out of the node
    device(3, 'veth', 1),
    device(4, 'netkit', 2),
    device(5, 'veth', 9), // nobody has named it
    device(6, 'macvlan', 4), // its lower device is elsewhere: this node is the guest there
    device(7, 'bridge'),
  ];
  const all = [named(0, 100), named(1, 101), named(2, 102), named(3, 103), named(4, 104), named(-1, 105)];
  expect([...namespacesOf(interfaces, new Set([2]), all)].sort()).toEqual([101, 102]);
});

test('a node that is itself a namespace counts its own, a machine all of them, unless told', () => {
  const loader = (initial: boolean) => ({ inInitialNetns: () => initial }) as never;
  const decided = (['auto', 'node', 'all'] as const).flatMap((namespaces) =>
    [true, false].map((initial) => nodeOnly({ kernelEvents: { namespaces } }, loader(initial))),
  );
  expect(decided).toEqual([false, true, true, true, false, false]);
});
