import type { DefaultRoute, Interface } from '@retina/loader';
import { expect, test } from 'vitest';
import { matcher, tapCandidates } from './roles.ts';

function device(ifindex: number, name: string, part: Partial<Interface> = {}): Interface {
  return {
    ifindex, name, kind: '', up: true, loopback: false, mac: new Uint8Array(6), mtu: 1500, linkIfindex: 0, linkNetnsid: -1,
    master: 0, ...part,
  }; // prettier-ignore
}
const veth = (ifindex: number, name: string, linkIfindex: number, linkNetnsid = -1) =>
  device(ifindex, name, { kind: 'veth', linkIfindex, linkNetnsid });

function roles(
  interfaces: Interface[],
  routes: (number | DefaultRoute)[],
  patterns: { extra?: string[]; exclude?: string[] } = {},
) {
  const all = routes.map((route) => (typeof route === 'number' ? { ifindex: route, main: true } : route));
  const found = tapCandidates(interfaces, all, { extra: [], exclude: [], ...patterns });
  return Object.fromEntries([...found.values()].map(({ interface: { name }, role }) => [name, role]));
}

test('endpoints are veths that lead to another namespace, not pairs within this one', () => {
  const interfaces = [
    device(1, 'lo', { loopback: true }),
    device(2, 'eth0'),
    veth(3, 'pod', 2, 0),
    veth(4, 'here', 5),
    veth(5, 'there', 4),
    veth(6, 'unknown', 3), // its peer has index 3 elsewhere; our 3 does not point back
    device(7, 'br0', { kind: 'bridge' }),
  ];
  expect(roles(interfaces, [])).toEqual({ pod: 'endpoint', unknown: 'endpoint' });
});

test('an uplink that is a veth is an uplink and nothing else, as in a node that is a container', () => {
  expect(roles([veth(2, 'eth0', 9, 0), veth(3, 'pod', 2, 1)], [2])).toEqual({ eth0: 'uplink', pod: 'endpoint' });
});

test('a default route in another table makes an uplink of hardware, not of a tunnel', () => {
  const interfaces = [
    device(1, 'lo', { loopback: true }),
    device(2, 'eth0'),
    device(3, 'eth1'),
    device(4, 'eth2'),
    device(5, 'eth2.7', { kind: 'vlan', linkIfindex: 4 }),
    device(6, 'wg0', { kind: 'wireguard' }),
    veth(7, 'pod', 2, 0),
  ];
  const others = [1, 3, 5, 6, 7, 99].map((ifindex) => ({ ifindex, main: false }));
  expect(roles(interfaces, [2, ...others])).toEqual({
    eth0: 'uplink',
    eth1: 'uplink',
    eth2: 'uplink',
    pod: 'endpoint',
  });
});

test('a VLAN stands for its lower device, a bond for itself and not for its members', () => {
  const interfaces = [
    device(2, 'eth0', { master: 4 }),
    device(3, 'eth1', { master: 4 }),
    device(4, 'bond0', { kind: 'bond' }),
    device(5, 'bond0.100', { kind: 'vlan', linkIfindex: 4 }),
    device(6, 'inner', { kind: 'vlan', linkIfindex: 5 }),
    device(7, 'far', { kind: 'vlan', linkIfindex: 2, linkNetnsid: 3 }), // its lower device is in another namespace
    device(8, 'br0', { kind: 'bridge' }),
  ];
  expect(roles(interfaces, [6])).toEqual({ bond0: 'uplink' });
  expect(roles(interfaces, [7, 8])).toEqual({ far: 'uplink', br0: 'uplink' });
  // A pattern adds neither what stands on a tapped uplink nor its members: their packets pass the uplink.
  expect(roles(interfaces, [6], { extra: ['*'] })).toEqual({ bond0: 'uplink', far: 'extra', br0: 'extra' });
  expect(roles(interfaces, [6], { extra: ['*'], exclude: ['bond0'] })).toMatchObject({ inner: 'extra', eth0: 'extra' });
});

test('patterns add what has no role and take away whatever has one', () => {
  const interfaces = [
    device(1, 'lo'),
    device(2, 'eth0'),
    device(3, 'eth1'),
    veth(4, 'pod1', 2, 0),
    veth(5, 'pod2', 2, 1),
  ];
  expect(roles(interfaces, [2], { extra: ['lo', 'eth*', 'pod?'], exclude: ['*2'] })).toEqual({
    lo: 'extra',
    eth0: 'uplink',
    eth1: 'extra',
    pod1: 'endpoint',
  });
  expect(matcher(['a.b', 'x+'])('aXb')).toBe(false);
});
