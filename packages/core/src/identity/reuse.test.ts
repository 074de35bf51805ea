import { Direction, type FlowValues, Observation } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { batchOf } from '../../test/flows.ts';
import { IdentityStage } from '../flows/identity-stage.ts';
import { countsFor } from '../metrics/counts-for.ts';
import { parseAddress } from './address.ts';
import { type EndpointSpec, wordsOf } from './endpoint-spec.ts';
import { EndpointTable } from './table.ts';

const [KUBERNETES, LOCAL] = [8, 0];
const ADDRESS = '10.244.1.7';
const PEER = '10.244.2.9';

function pod(name: string, more: Partial<EndpointSpec> = {}): EndpointSpec {
  return { key: `pod ${name}`, kind: 'pod', namespace: 'shop', name, addresses: [ADDRESS], ...more };
}

/** A namespace of this host, behind one interface. */
function place(inode: number, ifindex: number, more: Partial<EndpointSpec> = {}): EndpointSpec {
  const own = { interfaces: [ifindex], netns: [inode], addresses: [ADDRESS], near: true, anonymous: true };
  return { key: `ns:${inode}`, kind: 'pod', name: '', ...own, ...more };
}

/** A table with a clock of its own, and what it makes of records. */
function world() {
  let now = 1_000_000;
  const table = new EndpointTable({ now: () => now });
  const stage = new IdentityStage(table);
  const [cluster, local] = [table.provider(KUBERNETES), table.provider(LOCAL)];
  const ends = (values: Partial<FlowValues>): [string, string] => {
    const batch = batchOf({
      sourceAddress: parseAddress(ADDRESS)!,
      destinationAddress: parseAddress(PEER)!,
      observation: Observation.FROM_NETWORK,
      ifindex: 2,
      start: now,
      end: now,
      ...values,
    });
    stage.resolve(batch);
    return [table.byId(batch.sourceEndpoint(0)).name, table.byId(batch.destinationEndpoint(0)).name];
  };
  const tick = (ms: number) => {
    now += ms;
    table.sweep();
    return now;
  };
  return { table, cluster, local, ends, tick, now: () => now };
}

describe('an address that gets a new owner', () => {
  it.each([-3_600_000, 3_600_000])('is its own for good soon after the clock jumped by %i ms, and late records stay the old one’s', (jump) => {
    let [wall, passed] = [1_000_000, 0];
    const table = new EndpointTable({ now: () => wall + passed, monotonic: () => passed, lingerMs: 10_000 });
    const cluster = table.provider(KUBERNETES);
    const ownerAt = (time: number) => table.byId(table.findAt(...wordsOf(ADDRESS), time)).name;
    cluster.put(pod('a'));
    passed += 1000;
    const during = wall + passed;
    passed += 1000;
    cluster.remove('pod a');
    passed += 1000;
    cluster.put(pod('b'));
    wall += jump;
    table.sweep();
    expect(ownerAt(during)).toBe('a');
    passed += 10_000;
    table.sweep();
    expect(ownerAt(wall + passed)).toBe('b');
  }); // prettier-ignore

  it('is the old one’s in records of its time, nobody’s between, the new one’s since', () => {
    const { cluster, ends, tick, now } = world();
    cluster.put(pod('a'));
    const during = tick(1000);
    cluster.remove('pod a');
    const after = tick(500);
    expect(ends({ start: during, end: during, flowId: 1 })[0]).toBe('a');
    expect(ends({ start: after, end: after, flowId: 1 })[0]).toBe('');
    tick(500);
    cluster.put(pod('b'));
    expect(ends({ start: during, end: during })[0]).toBe('a');
    expect(ends({ start: now(), end: now() })[0]).toBe('b');
    // What came before anybody said b has it, was b's: there was no other.
    expect(ends({ start: after, end: after })[0]).toBe('b');
    tick(10_000);
    expect(ends({ start: now(), end: now() })[0]).toBe('b');
  });

  it('is the newer pod’s where both are said to have it, from when that was said', () => {
    const { cluster, ends, tick, now } = world();
    cluster.put(pod('a'));
    const before = tick(1000);
    cluster.put(pod('b'));
    tick(1000);
    expect([ends({ start: before - 1, end: before - 1 })[0], ends({})[0]]).toEqual(['a', 'b']);
    cluster.remove('pod b');
    tick(1);
    expect(ends({ start: now(), end: now() })[0]).toBe('a');
  });

  it('takes no time where the same one was known by another name', () => {
    const { cluster, local, ends, tick } = world();
    local.put(place(4001, 11));
    const before = tick(5000);
    cluster.put(pod('a', { incarnation: '1' }));
    expect(ends({ start: before - 4000, end: before - 4000 })[0]).toBe('a');
  });
});

describe('a pod and its namespace on this host', () => {
  const out = { observation: Observation.FROM_ENDPOINT, ifindex: 11 } as const;
  const into = {
    observation: Observation.TO_ENDPOINT,
    ifindex: 11,
    sourceAddress: parseAddress(PEER)!,
    destinationAddress: parseAddress(ADDRESS)!,
  };

  it('belong together by address; what the pod sends with any address is its', () => {
    const { cluster, local, ends } = world();
    local.put(place(4001, 11));
    cluster.put(pod('a', { incarnation: '1' }));
    expect(ends({ ...out, sourceAddress: parseAddress('192.0.2.1')! })[0]).toBe('a');
  });

  it('where addresses inside cannot be read, by what is sent and delivered there, and never by one alone', () => {
    const { table, cluster, local, ends } = world();
    local.put(place(4001, 11, { addresses: [], learn: true }));
    cluster.put(pod('a', { incarnation: '1' }));
    const bound = () => table.byId(table.byInterface(11)).name;
    const foreign = { ...out, sourceAddress: parseAddress('192.0.2.1')! };
    expect([ends(into)[1], bound()]).toEqual(['a', '']); // by its address: a bridge may have flooded it
    expect([ends(foreign)[0], bound()]).toEqual(['', '']);
    expect([ends(out)[0], bound()]).toEqual(['a', 'a']);
    expect(ends(foreign)[0]).toBe('a');
    // ... and stay together when the host is looked at again
    local.put(place(4001, 11, { addresses: ['fe80::1'] }));
    expect(ends({ ...out, sourceAddress: parseAddress('192.0.2.7')! })[0]).toBe('a');
  });

  it('do not where a bridge floods what is for another, whose own interface is found later', () => {
    const { table, cluster, local, ends } = world();
    local.put(place(4001, 11, { addresses: [], learn: true }));
    local.put(place(4002, 12, { addresses: [], learn: true }));
    cluster.put(pod('a', { incarnation: '1' }));
    ends({ ...into, ifindex: 12 });
    ends({ ...into, ifindex: 11 });
    ends(out);
    expect([11, 12].map((ifindex) => table.byId(table.byInterface(ifindex)).name)).toEqual(['a', '']);
    // Now that a's own interface is known, a copy elsewhere is a's, and counts for nobody there.
    const copy = batchOf({ ...into, ifindex: 12 });
    new IdentityStage(table).resolve(copy);
    expect([table.byId(copy.destinationEndpoint(0)).name, countsFor(table, copy, 0)]).toEqual(['a', -1]);
    const real = batchOf(into);
    new IdentityStage(table).resolve(real);
    expect([table.byId(real.destinationEndpoint(0)).name, countsFor(table, real, 0)]).toEqual(['a', Direction.INGRESS]);
    for (let i = 1; i < 255; i++) {
      cluster.put(pod(`p${i}`, { addresses: [`10.9.0.${i}`], incarnation: '1' }));
      ends({ ...out, ifindex: 12, sourceAddress: parseAddress(`10.9.0.${i}`)! });
    }
    expect(table.byId(table.byInterface(12)).name).toBe('');
  });

  it('do not where the pod has been found elsewhere: another has got its address, and nobody has said so yet', () => {
    const { cluster, local, ends } = world();
    local.put(place(4001, 10));
    cluster.put(pod('a', { incarnation: '1' }));
    local.remove('ns:4001');
    for (const addresses of [[ADDRESS], []]) {
      local.put(place(4002, 11, { addresses, learn: true }));
      expect([ends(out)[0], ends(into)[1]]).toEqual(['', '']);
      local.remove('ns:4002');
    }
    local.put(place(4002, 11));
    cluster.put(pod('b', { incarnation: '2' }));
    expect([ends(out)[0], ends(into)[1]]).toEqual(['b', 'b']);
    cluster.remove('pod a');
    expect([ends(out)[0], ends(into)[1]]).toEqual(['b', 'b']);
  });

  it('come together again when the pod has got another namespace', () => {
    const { cluster, local, ends } = world();
    local.put(place(4001, 10));
    cluster.put(pod('a', { incarnation: '1' }));
    local.remove('ns:4001');
    local.put(place(4002, 11));
    expect(ends(out)[0]).toBe('');
    cluster.put(pod('a', { incarnation: '2' }));
    expect(ends(out)[0]).toBe('a');
  });
});

it('names nobody who did not have the address at that time, with 50 pods/s on 200 addresses', () => {
  const { table, cluster, ends, tick, now } = world();
  /** By address: who had it, in order. */
  const owners = new Map<string, { name: string; from: number; until: number }[]>();
  const live: { name: string; address: string }[] = [];
  let [seed, made, named] = [42, 0, 0];
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let step = 0; step < 2000; step++) {
    tick(20);
    if (live.length > 100) {
      const [gone] = live.splice(random(live.length), 1);
      cluster.remove(`pod ${gone!.name}`);
      owners.get(gone!.address)!.at(-1)!.until = now();
    }
    let address: string;
    do address = `10.244.0.${random(200) + 1}`;
    while (live.some((one) => one.address === address));
    const list = owners.get(address) ?? [];
    owners.set(address, list);
    const name = `p${made++}`;
    cluster.put(pod(name, { addresses: [address] }));
    live.push({ name, address });
    list.push({ name, from: now(), until: Infinity });
    // A record that comes up to three seconds late, of any of the addresses.
    const time = now() - random(3000);
    const asked = `10.244.0.${random(200) + 1}`;
    const [found] = ends({
      sourceAddress: parseAddress(asked)!,
      start: time,
      end: time,
      flowId: random(200) + 1,
      fresh: 1,
    });
    if (found === '') continue;
    named++;
    const all = owners.get(asked)!;
    const at = all.findIndex((one) => one.name === found);
    const { until } = all[at]!;
    // It may have had the address before it was said, but not while another had it.
    expect(time).toBeGreaterThanOrEqual(all[at - 1]?.until ?? 0);
    expect(time).toBeLessThanOrEqual(until);
  }
  expect(made).toBe(2000);
  expect(named).toBeGreaterThan(500);
  tick(60_000);
  expect([...table.list()].length).toBe(live.length);
});
