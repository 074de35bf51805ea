import type { Address, Interface, NamedNamespace, NetworkEvent } from '@retina/loader';
import { RetinaError } from '@retina/sdk';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseAddress } from './address.ts';
import { LocalIdentity, type LocalNetwork } from './local.ts';
import { EndpointTable } from './table.ts';

const link = (ifindex: number, name: string, more: Partial<Interface> = {}): Interface => ({
  ifindex, name, kind: '', up: true, loopback: false, mac: new Uint8Array(6), mtu: 1500, linkIndex: 0, linkIfindex: 0, linkNetnsid: -1, master: 0, ...more,
}) as Interface; // prettier-ignore
const address = (ifindex: number, text: string): Address => ({
  ifindex,
  address: parseAddress(text)!,
  prefixLength: 24,
});
const veth = (ifindex: number, netnsid: number) =>
  link(ifindex, `veth${ifindex}`, { kind: 'veth', linkNetnsid: netnsid });

/** What a host's netlink tables said, to be edited by a test. */
class Tables implements LocalNetwork {
  links = [
    link(1, 'lo', { loopback: true }),
    link(2, 'eth0'),
    veth(10, 0),
    veth(11, 1),
    veth(12, 5),
    link(13, 'veth13', { kind: 'veth' }),
  ];
  own = [address(1, '127.0.0.1'), address(2, '192.0.2.7'), address(2, '2001:db8::7')];
  named: NamedNamespace[] = [
    { name: 'client', inode: 4001, netnsid: 0 },
    { name: 'server', inode: 4002, netnsid: 1 },
    { name: 'self', inode: 4000, netnsid: -1 },
  ];
  inside: Record<string, Address[] | undefined> = {
    client: [address(1, '127.0.0.1'), address(2, '10.0.0.1'), address(2, 'fd00::1')],
    server: undefined,
    self: [],
  };
  uplinks = [2];
  listener: (event: NetworkEvent) => void = () => undefined;
  interfaces = async () => this.links;
  addresses = async () => this.own;
  namedNamespaces = async () => this.named;
  defaultRoutes = async () => this.uplinks.map((ifindex) => ({ ifindex, main: true }));
  ownNetns = () => 4000;
  addressesIn = async (path: string) => {
    const found = this.inside[path.split('/').at(-1)!];
    if (!found) throw new RetinaError('RETINA_CAPABILITY_MISSING', 'setns was refused');
    return found;
  };
  watchNetwork = (listener: (event: NetworkEvent) => void) => {
    this.listener = listener;
    return { [Symbol.dispose]: () => void (this.listener = () => undefined) };
  };
}

let network: Tables;
let table: EndpointTable;
let identity: LocalIdentity;
beforeEach(async () => {
  network = new Tables();
  table = new EndpointTable({ lingerMs: 0 });
  identity = new LocalIdentity({ table, network, hostName: 'node-1', namespacesFolder: '/nonexistent' });
  await identity.refresh();
});
afterEach(() => identity[Symbol.dispose]());

const at = (text: string) => table.byAddress(parseAddress(text)!);
const by = (ifindex: number) => table.byId(table.byInterface(ifindex)).name;

describe('LocalIdentity', () => {
  it('takes every address of the own namespace for the host', () => {
    expect(at('2001:db8::7')).toMatchObject({ kind: 'host', name: 'node-1', node: 'node-1' });
    expect(table.isHost(at('127.0.0.1').id)).toBe(true);
    expect(table.byNetns(4000)).toBe(at('192.0.2.7').id);
  });

  it('names namespaces as ip netns does, by address, interface and inode', () => {
    const client = at('10.0.0.1');
    expect(client).toMatchObject({
      kind: 'pod',
      namespace: 'netns',
      name: 'client',
      addresses: ['10.0.0.1', 'fd00::1'],
    });
    expect([table.byInterface(10), table.byNetns(4001), at('fd00::1').id]).toEqual([client.id, client.id, client.id]);
    expect([...table.list()].map((e) => e.name).sort()).toEqual(['client', 'node-1', 'server', 'veth12']);
  });

  it('learns the addresses of namespaces it may not enter, and of those without a name', () => {
    expect([by(11), by(12), by(13), by(2)]).toEqual(['server', 'veth12', '', '']);
    expect(table.learn(table.byInterface(11), 1, 2, 3, 4)).toBe(true);
    expect(table.learn(table.byInterface(12), 1, 2, 3, 5)).toBe(true);
    expect(table.learn(table.byInterface(10), 1, 2, 3, 6)).toBe(false);
  });

  it('follows namespaces that come, go, and get their addresses late', async () => {
    network.links = [...network.links, veth(20, 7)];
    network.named = [...network.named, { name: 'late', inode: 4020, netnsid: 7 }];
    network.inside['late'] = [];
    network.listener({ type: 'interface', change: 'added', interface: veth(20, 7) });
    await vi.waitFor(() => expect(by(20)).toBe('late'), 1_000);
    network.inside['late'] = [address(2, '10.0.0.20')];
    await vi.waitFor(() => expect(at('10.0.0.20').name).toBe('late'), 1_000);
    network.named = network.named.filter(({ name }) => name !== 'client');
    network.links = network.links.filter(({ ifindex }) => ifindex !== 10);
    network.listener({ type: 'interface', change: 'removed', interface: veth(10, 0) });
    await vi.waitFor(() => {
      table.sweep();
      expect([at('10.0.0.1').name, by(10)]).toEqual(['', '']);
    }, 1_000);
  });

  it('takes an uplink that is a veth for no endpoint', async () => {
    identity[Symbol.dispose]();
    table.sweep();
    network.uplinks = [12];
    identity = new LocalIdentity({ table, network, hostName: 'node-1', namespacesFolder: '/nonexistent' });
    await identity.refresh();
    expect([by(10), by(12)]).toEqual(['client', '']);
  });
});
