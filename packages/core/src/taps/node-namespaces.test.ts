import type { Interface } from '@retina/loader';
import { expect, test, vi } from 'vitest';
import { memoryLogger } from '../host/testing.ts';
import { namespacesOf, NodeNamespaces, nodeOnly } from './node-namespaces.ts';
import { SharedMaps } from './shared-maps.ts';

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
  expect(namespacesOf(interfaces, new Set([2]), all)).toEqual({ inodes: new Set([101, 102]), unnamed: 1 });
});

test('a node that is itself a namespace counts its own, a machine all of them, unless told', () => {
  const loader = (initial: boolean) => ({ inInitialNetns: () => initial }) as never;
  const decided = (['auto', 'node', 'all'] as const).flatMap((namespaces) =>
    [true, false].map((initial) => nodeOnly({ kernelEvents: { namespaces } }, loader(initial))),
  );
  expect(decided).toEqual([false, true, true, true, false, false]);
});

test('a namespace that has gone still counts for ten seconds, unless it comes back', () => {
  vi.useFakeTimers();
  try {
    const here = new Set<number>();
    const word = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer)[0]!;
    const map = {
      keySize: 4, valueSize: 4, maxEntries: 4096,
      update: (key: Uint8Array) => void here.add(word(key)),
      remove: (key: Uint8Array) => here.delete(word(key)),
    }; // prettier-ignore
    const maps = new SharedMaps({ createMap: () => map } as never, true);
    const log = memoryLogger();
    using namespaces = new NodeNamespaces(maps, 1, log);
    const update = (...inodes: number[]) => namespaces.update({ inodes: new Set(inodes), unnamed: inodes.length - 1 });
    update(10); // before any object is loaded
    const info = { name: 'rt_node_namespaces', type: 1, keySize: 4, valueSize: 4, maxEntries: 4096 };
    const spec = { maps: [info], constants: [{ name: 'rt_node_only', size: 4, value: 0n }], programs: [] };
    expect(maps.share(spec as never, 'x.bpf.o').defaults).toEqual({ rt_node_only: 1 });
    update(10, 11);
    expect(log.lines.map(({ fields }) => fields)).toEqual([{ links: 1 }]);
    expect([...here]).toEqual([1, 10, 11]);
    update(11);
    vi.advanceTimersByTime(9_000);
    expect(here.has(10)).toBe(true);
    update(10);
    vi.advanceTimersByTime(9_000);
    expect([...here].sort((a, b) => a - b)).toEqual([1, 10, 11]);
    vi.advanceTimersByTime(1_000);
    expect([...here].sort((a, b) => a - b)).toEqual([1, 10]);
  } finally {
    vi.useRealTimers();
  }
});
