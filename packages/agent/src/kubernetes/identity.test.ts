import { setImmediate as turn } from 'node:timers/promises';
import { EndpointTable, parseAddress } from '@retina/core';
import { beforeEach, describe, expect, it } from 'vitest';
import type { PodFacts, ServiceFacts } from './facts.ts';
import { ClusterIdentity, type ClusterIdentityOptions } from './identity.ts';

let now = 1e12;
let table: EndpointTable;
let cluster: ClusterIdentity;
let servers: readonly string[];

function begin(choice: Partial<ClusterIdentityOptions['choice']> = {}) {
  table = new EndpointTable({ now: () => now });
  const all = { annotations: false, selectors: false, namespaces: false, ...choice };
  cluster = new ClusterIdentity({ table, nodeName: 'node1', choice: all, onApiServers: (list) => (servers = list) });
}
beforeEach(() => begin());

const at = (address: string) => table.byAddress(parseAddress(address)!);
const observed = (address: string) => table.observed(at(address).id);
const pod = (name: string, address: string, more: Partial<PodFacts> = {}): PodFacts => ({
  namespace: 'shop', name, addresses: [address], labels: { app: 'web' }, workloads: [], node: 'node1', annotated: false, selected: true, ...more,
}); // prettier-ignore
const service = (name: string, more: Partial<ServiceFacts> = {}): ServiceFacts => ({
  namespace: 'shop', name, clusterAddresses: ['10.96.0.9'], otherAddresses: [], nodePorts: [], ...more,
}); // prettier-ignore
const words = (address: string) => {
  const view = new DataView(parseAddress(address)!.buffer);
  return [0, 4, 8, 12].map((i) => view.getUint32(i, true)) as [number, number, number, number];
};
const put = (one: PodFacts) => cluster.pod(`${one.namespace}/${one.name}`, one);

describe('a pod', () => {
  it('has the zone of its node, whichever is known first, and follows it', () => {
    put(pod('a', '10.0.0.1'));
    expect(at('10.0.0.1')).toMatchObject({ name: 'a', zone: '', node: 'node1' });
    const { id } = at('10.0.0.1');
    cluster.node('node1', { name: 'node1', addresses: ['172.30.0.2'], zone: 'z1' });
    expect(at('10.0.0.1')).toMatchObject({ id, zone: 'z1' });
    expect(at('172.30.0.2')).toMatchObject({ kind: 'node', name: 'node1', zone: 'z1' });
    cluster.node('node1', undefined);
    expect(at('10.0.0.1')).toMatchObject({ id, zone: '' });
  });

  it('has the service that selects it: one with an address first; by a slice where none does', () => {
    put(pod('a', '10.0.0.1'));
    const slice = { namespace: 'shop', service: 'manual', pods: ['shop/a'], addresses: ['192.0.2.1'], ports: [] };
    cluster.headlessSlice('shop/manual-1', slice);
    expect([at('10.0.0.1').service, at('192.0.2.1').kind, at('192.0.2.1').name]).toEqual([
      'manual',
      'service',
      'manual',
    ]);
    cluster.service('shop/a-headless', service('a-headless', { clusterAddresses: [], selector: [['app', 'web']] }));
    expect(at('10.0.0.1').service).toBe('a-headless');
    cluster.service('shop/web', service('web', { selector: [['app', 'web']] }));
    expect(at('10.0.0.1').service).toBe('web');
    cluster.service('shop/web', service('web', { selector: [['app', 'other']] }));
    cluster.service('shop/a-headless', undefined);
    cluster.headlessSlice('shop/manual-1', undefined);
    expect(at('10.0.0.1').service).toBe('');
  });

  it('of this node is what the pod itself says, of others what its RetinaEndpoint says', () => {
    const stand = (name: string, address: string, nodeAddress: string) => {
      const { node: _, ...rest } = pod(name, address, { nodeAddress });
      cluster.endpoint(`shop/${name}`, rest);
    };
    cluster.node('node1', { name: 'node1', addresses: ['172.30.0.2'], zone: 'z1' });
    stand('mine', '10.0.0.1', '172.30.0.2'); // stale: the pod is gone from this node
    stand('theirs', '10.0.0.2', '172.30.0.3');
    expect([at('10.0.0.1').name, at('10.0.0.2').name, at('10.0.0.2').node]).toEqual(['', 'theirs', '']);
    cluster.node('node2', { name: 'node2', addresses: ['172.30.0.3'], zone: 'z2' });
    expect(at('10.0.0.2')).toMatchObject({ node: 'node2', zone: 'z2' });
    put(pod('mine', '10.0.0.5'));
    expect([at('10.0.0.1').name, at('10.0.0.5').name]).toEqual(['', 'mine']);
    cluster.endpoint('shop/theirs', undefined);
    put(pod('x', '10.0.0.2'));
    expect(at('10.0.0.2').name).toBe('x');
  });

  it('is chosen by its annotation or its namespace’s, at once', () => {
    begin({ annotations: true });
    put(pod('a', '10.0.0.1'));
    put(pod('b', '10.0.0.2', { annotated: true }));
    expect([observed('10.0.0.1'), observed('10.0.0.2')]).toEqual([false, true]);
    const changed: number[] = [];
    table.onChange((_change, id) => changed.push(id));
    cluster.namespace('shop', { annotated: true, selected: true });
    expect([observed('10.0.0.1'), changed]).toEqual([true, [at('10.0.0.1').id]]);
    cluster.namespace('shop', undefined);
    expect([observed('10.0.0.1'), observed('10.0.0.2')]).toEqual([false, true]);
  });

  it('is chosen by selectors of pods and namespaces together, or by an annotation beside them', () => {
    begin({ selectors: true, namespaces: true, annotations: true });
    put(pod('a', '10.0.0.1'));
    put(pod('b', '10.0.0.2', { selected: false }));
    put(pod('c', '10.0.0.3', { selected: false, annotated: true }));
    expect([1, 2, 3].map((n) => observed(`10.0.0.${n}`))).toEqual([false, false, true]);
    cluster.namespace('shop', { annotated: false, selected: true });
    expect([1, 2, 3].map((n) => observed(`10.0.0.${n}`))).toEqual([true, false, true]);
  });
});

it('names the thousands of pods of a namespace anew in pieces, by what is true when their turn comes', async () => {
  begin({ annotations: true });
  const address = (i: number) => `10.1.${i >> 8}.${i & 255}`;
  for (let i = 0; i < 1000; i++) put(pod(`p${i}`, address(i)));
  const chosen = () => Array.from({ length: 1000 }, (_, i) => i).filter((i) => observed(address(i)));
  cluster.namespace('shop', { annotated: true, selected: true });
  expect(chosen().length).toBeLessThan(200);
  put(pod('p998', '10.9.9.9')); // in between it has got another address,
  cluster.pod('shop/p999', undefined); // and that one is gone
  expect(observed('10.9.9.9')).toBe(true);
  while (!observed(address(997))) await turn();
  expect(chosen().filter((i) => i < 998)).toEqual(Array.from({ length: 998 }, (_, i) => i));
  expect(observed(address(999))).toBe(false);

  cluster.namespace('shop', undefined);
  cluster[Symbol.dispose](); // the rest never comes
  await turn();
  now += 10_000;
  for (let sweeps = 0; sweeps < 2; sweeps++) table.sweep();
  expect([...table.list()]).toEqual([]);
});

describe('a service', () => {
  it('is found by cluster addresses; an external address that is a node’s stays the node’s', () => {
    cluster.service('shop/web', service('web', { clusterAddresses: ['10.96.0.9', 'fd00::9'], otherAddresses: ['172.30.0.2', '192.0.2.9'] })); // prettier-ignore
    const kinds = () =>
      ['10.96.0.9', 'fd00::9', '192.0.2.9', '172.30.0.2'].map((one) => `${at(one).kind} ${at(one).name}`);
    expect(kinds()).toEqual(['service web', 'service web', 'service web', 'service web']);
    cluster.node('node2', { name: 'node2', addresses: ['172.30.0.2'], zone: '' });
    expect(kinds()).toEqual(['service web', 'service web', 'service web', 'node node2']);
    cluster.service('shop/web', undefined);
    table.sweep();
    expect(at('172.30.0.2').kind).toBe('node');
  });

  it('is meant by its port on any other node, and not on this one', () => {
    table.provider(0).put({ key: 'host', kind: 'host', name: 'h', host: true, addresses: ['172.30.0.2'] });
    for (const n of [1, 2]) cluster.node(`node${n}`, { name: `node${n}`, addresses: [`172.30.0.${n + 1}`], zone: '' });
    cluster.service('shop/web', service('web', { nodePorts: [{ protocol: 6, port: 30_080 }] }));
    const port = (address: string, protocol: number, number: number) =>
      table.byId(table.atPort(at(address).id, protocol, number)).name;
    expect([port('172.30.0.3', 6, 30_080), port('172.30.0.2', 6, 30_080)]).toEqual(['web', 'node1']);
    expect([port('172.30.0.3', 17, 30_080), port('172.30.0.3', 6, 22)]).toEqual(['node2', 'node2']);
    cluster.service('shop/web', service('web'));
    expect(port('172.30.0.3', 6, 30_080)).toBe('node2');
  });

  it('that is the API server’s names it, and tells where it is', () => {
    cluster.node('node1', { name: 'node1', addresses: ['172.30.0.2'], zone: '' });
    const api = { namespace: 'default', clusterAddresses: ['10.96.0.1', 'fd00:10:96::1'], apiPorts: [443] };
    cluster.service('default/kubernetes', service('kubernetes', api));
    const slice = { namespace: 'default', service: 'kubernetes', pods: [], ports: [6443], addresses: ['172.30.0.2', '203.0.113.7'] }; // prettier-ignore
    cluster.apiSlice('default/kubernetes', slice);
    expect(servers).toEqual(['10.96.0.1:443', '172.30.0.2:6443', '203.0.113.7:6443', '[fd00:10:96::1]:443']);
    expect(['10.96.0.1', '203.0.113.7', '172.30.0.2'].map((one) => at(one).kind)).toEqual(['api-server', 'api-server', 'node']); // prettier-ignore
    cluster.apiSlice('default/kubernetes', undefined);
    expect(servers).toEqual(['10.96.0.1:443', '[fd00:10:96::1]:443']);
  });
});

it('leaves nothing behind', () => {
  cluster.node('node2', { name: 'node2', addresses: ['172.30.0.3'], zone: '' });
  cluster.service('shop/web', service('web', { otherAddresses: ['192.0.2.9'], nodePorts: [{ protocol: 6, port: 1 }] }));
  put(pod('a', '10.0.0.1'));
  const other = at('172.30.0.3').id;
  expect(table.byId(table.atPort(other, 6, 1)).name).toBe('web');
  cluster[Symbol.dispose]();
  expect([servers, table.atPort(other, 6, 1)]).toEqual([[], other]);
  now += 10_000;
  table.sweep();
  expect([...table.list()]).toEqual([]);
});

describe('another reader that takes over', () => {
  const node = (zone: string) => ({ name: 'node1', addresses: ['172.30.0.2'], zone });
  const web = service('web', { selector: [['app', 'web']], nodePorts: [{ protocol: 6, port: 30_080 }] });
  const apiSlice = { namespace: 'default', service: 'kubernetes', pods: [], addresses: ['192.0.2.1'], ports: [6443] };
  const next = (choice: Partial<ClusterIdentityOptions['choice']> = {}) =>
    new ClusterIdentity({ table, nodeName: 'node1', choice: { annotations: false, selectors: false, namespaces: false, ...choice }, onApiServers: (list) => (servers = list), waits: true }); // prettier-ignore

  it('says nothing before, and then leaves ids and names as they are, but for what it knows better', async () => {
    cluster.node('node1', node('z1'));
    const other = { name: 'node2', addresses: ['172.30.0.3'], zone: '' };
    cluster.node('node2', other);
    cluster.service('shop/web', web);
    const port = () => table.byId(table.atPort(at('172.30.0.3').id, 6, 30_080)).name;
    cluster.apiSlice('default/kubernetes', apiSlice);
    put(pod('a', '10.0.0.1', { annotated: true }));
    put(pod('gone', '10.0.0.2'));
    const before = ['10.0.0.1', '172.30.0.2', '10.96.0.9', '192.0.2.1'].map((address) => at(address).id);
    const after = next({ annotations: true });
    after.node('node1', node('z2'));
    after.node('node2', other);
    after.service('shop/web', service('web', { selector: [['app', 'web']] }));
    after.apiSlice('default/kubernetes', apiSlice);
    after.pod('shop/a', pod('a', '10.0.0.1', { annotated: true }));
    after.pod('shop/new', pod('new', '10.0.0.3'));
    expect([at('10.0.0.1').zone, at('10.0.0.3').name, observed('10.0.0.1')]).toEqual(['z1', '', false]);
    let named = false;
    after.follow(cluster, () => (named = true));
    cluster.pod('shop/gone', pod('late', '10.0.0.4')); // it has nothing to say any more
    cluster[Symbol.dispose]();
    await turn();
    expect([named, at('10.0.0.1').zone, at('10.0.0.3').name, observed('10.0.0.1')]).toEqual([true, 'z2', 'new', true]);
    expect(['10.0.0.1', '172.30.0.2', '10.96.0.9', '192.0.2.1'].map((address) => at(address).id)).toEqual(before);
    expect([at('10.0.0.2').name, at('10.0.0.4').name, port(), servers]).toEqual([
      'gone',
      '',
      'web',
      ['192.0.2.1:6443'],
    ]);
    after.read();
    expect(table.findAt(...words('10.0.0.2'), now + 1)).toBe(0);
    expect([at('10.0.0.1').name, port()]).toEqual(['a', 'node2']);
  });

  it('of thousands lets nobody go nameless, in many turns', async () => {
    const address = (i: number) => `10.1.${i >> 8}.${i & 255}`;
    for (let i = 0; i < 1000; i++) put(pod(`p${i}`, address(i)));
    const after = next({ selectors: true });
    for (let i = 0; i < 1000; i++) after.pod(`shop/p${i}`, pod(`p${i}`, address(i)));
    let named = false;
    let turns = 0;
    after.follow(cluster, () => (named = true));
    for (; !named; turns++, await turn()) for (let i = 0; i < 1000; i++) expect(at(address(i)).name).toBe(`p${i}`);
    expect(turns).toBeGreaterThan(5);
    expect(Array.from({ length: 1000 }, (_, i) => observed(address(i)))).not.toContain(false);
  });
});
