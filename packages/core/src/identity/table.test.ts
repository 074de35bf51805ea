import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from './address.ts';
import { words } from './address-map.ts';
import type { EndpointSpec } from './endpoint-spec.ts';
import { EndpointTable } from './table.ts';

let now = 0;
let table: EndpointTable;
beforeEach(() => {
  now = 1e12;
  table = new EndpointTable({ now: () => now });
});

const after = (ms: number) => {
  now += ms;
  table.sweep();
};
const at = (address: string) => table.byAddress(parseAddress(address)!);
const pod = (name: string, addresses: string[], more: Partial<EndpointSpec> = {}): EndpointSpec => ({
  key: name, kind: 'pod', namespace: 'default', name, addresses, ...more,
}); // prettier-ignore

describe('EndpointTable', () => {
  it('finds all addresses of both families, the interface and the namespace', () => {
    const local = table.provider(0);
    local.put(pod('a', ['10.0.0.1', 'FD00:0::1', 'no address'], { interfaces: [7], netns: [42] }));
    const a = at('10.0.0.1');
    expect(a).toMatchObject({ kind: 'pod', namespace: 'default', name: 'a', addresses: ['10.0.0.1', 'fd00::1'] });
    expect(at('fd00::1').id).toBe(a.id);
    expect([table.byInterface(7), table.byNetns(42), table.byInterface(8), table.byNetns(43)]).toEqual([
      a.id,
      a.id,
      0,
      0,
    ]);
    expect(at('10.0.0.2')).toMatchObject({ id: 0, kind: 'unknown', name: '' });
    expect([table.hasInterface(a.id), table.hasInterface(0)]).toEqual([true, false]);
  });

  it('names late flows of what is gone for ten seconds, and says when it ends', () => {
    const gone: number[] = [];
    table.onChange((change, id) => void (change === 'removed' && gone.push(id)));
    const local = table.provider(0);
    local.put(pod('a', ['10.0.0.1'], { interfaces: [7], netns: [42] }));
    const { id } = at('10.0.0.1');
    local.remove('a');
    after(9_999);
    expect([at('10.0.0.1').name, table.byInterface(7), table.byNetns(42), table.byId(id).name]).toEqual([
      'a',
      id,
      id,
      'a',
    ]);
    expect(gone).toEqual([]);
    const { epoch } = table;
    after(1);
    expect([at('10.0.0.1').id, table.byInterface(7), table.byNetns(42), table.byId(id).name]).toEqual([0, 0, 0, '']);
    expect(gone).toEqual([id]);
    expect(table.epoch).not.toBe(epoch);
    expect(table.recall(id).name).toBe('a');
  });

  it('ends thousands that are due at once in several sweeps', () => {
    const local = table.provider(0);
    const addresses = Array.from({ length: 2500 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    local.replace(addresses.map((address) => pod(address, [address])));
    local.replace([]);
    const left = () => addresses.filter((address) => at(address).id !== 0).length;
    after(10_000);
    expect(left()).toBe(1500);
    after(0);
    local.put(pod('again', [addresses.at(-1)!]));
    after(0);
    expect([left(), at(addresses.at(-1)!).name]).toEqual([1, 'again']);
  });

  it('gives a reused address its new name at once, and keeps it when the old one ends', () => {
    const local = table.provider(0);
    local.put(pod('a', ['10.0.0.1']));
    const a = at('10.0.0.1').id;
    local.remove('a');
    local.put(pod('b', ['10.0.0.1']));
    expect(at('10.0.0.1').name).toBe('b');
    expect(at('10.0.0.1').id).not.toBe(a);
    after(20_000);
    expect(at('10.0.0.1').name).toBe('b');
  });

  it('takes an address for the host’s, then for a neighbour’s, before that of a namespace no link leads to', () => {
    const local = table.provider(0);
    local.put(pod('host', ['10.0.0.1', '192.0.2.7'], { kind: 'host', host: true }));
    local.put(pod('near', ['10.0.0.2'], { near: true, netns: [1] }));
    local.put(pod('far', ['10.0.0.1', '10.0.0.2', '10.0.0.3'], { netns: [2] }));
    expect(['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((text) => at(text).name)).toEqual(['host', 'near', 'far']);
    const far = table.byNetns(2);
    expect([table.isHost(at('192.0.2.7').id), table.isHost(far)]).toEqual([true, false]);
    expect(table.claims(far, ...words(parseAddress('10.0.0.2')!))).toBe(true);
    expect(table.claims(far, ...words(parseAddress('192.0.2.7')!))).toBe(false);
    local.remove('near');
    expect(at('10.0.0.2').name).toBe('far');
  });

  it('takes the same key with another name for another endpoint, and the same name with other labels for the same', () => {
    const local = table.provider(0);
    const updated: number[] = [];
    table.onChange((change, id) => void (change === 'updated' && updated.push(id)));
    local.put(pod('a', ['10.0.0.1'], { key: 'k' }));
    const a = at('10.0.0.1').id;
    local.put(pod('a', ['10.0.0.1', '10.0.0.2'], { key: 'k', labels: { app: 'x' } }));
    expect(at('10.0.0.2')).toMatchObject({ id: a, labels: { app: 'x' } });
    expect(updated).toEqual([a]);
    local.put(pod('b', ['10.0.0.1'], { key: 'k' }));
    expect(at('10.0.0.1')).toMatchObject({ name: 'b' });
    expect(at('10.0.0.1').id).not.toBe(a);
    expect(at('10.0.0.2').id).toBe(a); // lingers
    after(10_000);
    expect(at('10.0.0.2').id).toBe(0);
  });

  it('lets an address that was lost and regained stay', () => {
    const local = table.provider(0);
    local.put(pod('a', ['10.0.0.1', '10.0.0.2'], { interfaces: [7] }));
    local.put(pod('a', ['10.0.0.1']));
    after(5_000);
    expect(at('10.0.0.2').name).toBe('a');
    local.put(pod('a', ['10.0.0.1', '10.0.0.2'], { interfaces: [7] }));
    after(20_000);
    expect([at('10.0.0.2').name, table.byId(table.byInterface(7)).name]).toEqual(['a', 'a']);
  });

  it('lets a file name what the host found: by address, interface and namespace, and until the file is gone', () => {
    const [local, file] = [table.provider(0), table.provider(10)];
    local.put(pod('client', ['10.0.0.1', 'fe80::1'], { namespace: 'netns', interfaces: [7], netns: [42] }));
    const before = at('10.0.0.1').id;
    file.replace([pod('web', ['10.0.0.1'])]);
    const web = at('10.0.0.1').id;
    expect(table.byId(web).name).toBe('web');
    expect([table.byInterface(7), table.byNetns(42), at('fe80::1').id]).toEqual([web, web, web]);
    expect(table.hasInterface(web)).toBe(true);
    after(10_000);
    expect(table.byId(before).id).toBe(0);
    file.replace([]);
    expect([at('10.0.0.1').name, table.byId(table.byInterface(7)).name, at('fe80::1').name]).toEqual([
      'client',
      'client',
      'client',
    ]);
    expect(at('10.0.0.1').id).not.toBe(before);
    local.remove('client');
    after(20_000);
    expect([at('fe80::1').id, table.byInterface(7), table.byNetns(42)]).toEqual([0, 0, 0]);
  });

  it('ends what hung on a file’s name with the namespace, though the name stays', () => {
    const [local, file] = [table.provider(0), table.provider(10)];
    file.replace([pod('web', ['10.0.0.1'])]);
    local.put(pod('client', ['10.0.0.1', 'fe80::1'], { interfaces: [7], netns: [42] }));
    local.remove('client');
    expect(table.byId(table.byInterface(7)).name).toBe('web');
    after(10_000);
    expect([table.byInterface(7), table.byNetns(42), at('fe80::1').id]).toEqual([0, 0, 0]);
    expect(at('10.0.0.1').name).toBe('web');
  });

  it('knows the host by each of its addresses, also under a name from a file', () => {
    const [local, file] = [table.provider(0), table.provider(10)];
    local.put({ key: 'host', kind: 'host', name: 'node', addresses: ['192.0.2.1', '192.0.2.2'], host: true });
    file.replace([pod('db', ['192.0.2.1']), pod('far', ['198.51.100.1'])]);
    expect([at('192.0.2.1').name, at('192.0.2.2').name]).toEqual(['db', 'node']);
    expect([at('192.0.2.1').id, at('192.0.2.2').id, at('198.51.100.1').id].map((id) => table.isHost(id))).toEqual([
      true,
      true,
      false,
    ]);
    local.remove('host');
    expect(table.isHost(at('192.0.2.1').id)).toBe(false);
  });

  it('learns unknown sources of an interface where addresses cannot be listed, and only there', () => {
    const local = table.provider(0);
    local.put(pod('a', [], { interfaces: [7], learn: true }));
    local.put(pod('b', ['10.0.0.2'], { interfaces: [8] }));
    const [a, b] = [table.byInterface(7), table.byInterface(8)];
    const w = words(parseAddress('10.0.0.1')!);
    expect(table.learn(b, ...w)).toBe(false);
    expect(table.learn(a, ...w)).toBe(true);
    expect(at('10.0.0.1')).toMatchObject({ name: 'a', addresses: ['10.0.0.1'] });
    expect(table.learn(a, ...words(parseAddress('10.0.0.2')!))).toBe(false);
    for (const nobody of ['::', '0.0.0.0']) expect(table.learn(a, ...words(parseAddress(nobody)!))).toBe(false);
    local.remove('a');
    after(10_000);
    expect(at('10.0.0.1').id).toBe(0);
  });

  it('agrees with a plain model under any sequence of changes', () => {
    const addresses = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'];
    const change = fc.record({
      provider: fc.constantFrom(0, 10),
      key: fc.constantFrom('x', 'y', 'z'),
      name: fc.constantFrom('n1', 'n2'),
      addresses: fc.uniqueArray(fc.constantFrom(...addresses)),
      remove: fc.boolean(),
      wait: fc.constantFrom(0, 4_000, 11_000),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        table = new EndpointTable({ now: () => now });
        const providers = new Map([0, 10].map((p) => [p, table.provider(p)]));
        const claims: { p: number; key: string; name: string; addresses: string[] }[] = [];
        for (const { provider, key, name, addresses, remove, wait } of changes) {
          const old = claims.findIndex((c) => c.p === provider && c.key === key);
          if (remove) {
            providers.get(provider)!.remove(key);
            if (old >= 0) claims.splice(old, 1);
          } else {
            providers.get(provider)!.put(pod(`${key}-${name}`, addresses, { key }));
            const claim = { p: provider, key, name: `${key}-${name}`, addresses };
            const same = old >= 0 && claims[old]!.name === claim.name;
            if (same) claims[old] = claim;
            else {
              if (old >= 0) claims.splice(old, 1);
              claims.push(claim);
            }
          }
          after(wait);
        }
        after(11_000);
        for (const address of addresses) {
          const winner = claims.filter((c) => c.addresses.includes(address)).reverse().sort((a, b) => b.p - a.p)[0]; // prettier-ignore
          // A local claim on any address of the file's is the file's endpoint.
          const merged =
            winner?.p === 0
              ? claims.filter((c) => c.p === 10 && c.addresses.some((a) => winner.addresses.includes(a)))
              : [];
          const names = merged.length > 0 ? merged.map((c) => c.name) : [winner?.name ?? ''];
          expect(names).toContain(at(address).name);
        }
      }),
    );
  });
});
