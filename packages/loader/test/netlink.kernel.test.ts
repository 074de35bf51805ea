import { createServer, createConnection, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NetlinkFamily } from '@retina/sdk';
import { deviceStatistics, netlinkRequest, netlinkSubscribe, settled } from '../src/index.ts';
import { child, failure, sh } from './support.ts';

const DUMP = 0x300;
const [SOCK_DIAG_BY_FAMILY, RTM_NEWLINK, RTM_GETLINK, RTNLGRP_LINK] = [20, 16, 18, 1];

beforeAll(() => {
  sh(`ip netns delete loader-nl 2>/dev/null || true; ip netns add loader-nl; ip -n loader-nl link set lo up
    ip link delete loadernl0 2>/dev/null || true; ip link add loadernl0 type veth peer name loadernl1`);
});
afterAll(() => void sh('ip netns delete loader-nl; ip link delete loadernl0'));

/** struct inet_diag_req_v2: every TCP socket over IPv4 in the given states. */
function tcpSockets(states: number): Uint8Array {
  const request = new DataView(new ArrayBuffer(56));
  request.setUint8(0, 2); // AF_INET
  request.setUint8(1, 6);
  request.setUint32(4, states, true);
  return new Uint8Array(request.buffer);
}

/** Port of this end, in a struct inet_diag_msg. */
const port = (payload: Uint8Array) => new DataView(payload.buffer, payload.byteOffset).getUint16(4);

/** struct ifinfomsg of an interface, and its name as an attribute where it is given. */
function link(index: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(16));
  header.setInt32(4, index, true);
  return new Uint8Array(header.buffer);
}

describe('a request', () => {
  test('dumps sockets: each of ours once', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const ours = (server.address() as AddressInfo).port;
    const clients = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const client = createConnection(ours, '127.0.0.1');
        await new Promise((connected) => client.once('connect', connected));
        return client;
      }),
    );
    const seen = new Map<number, number>();
    let messages = 0;
    const request = {
      family: NetlinkFamily.SOCK_DIAG,
      type: SOCK_DIAG_BY_FAMILY,
      flags: DUMP,
      payload: tcpSockets(1 << 1),
    };
    const answer = await netlinkRequest(request, (batch) => {
      for (const { type, payload } of batch) {
        expect(type).toBe(SOCK_DIAG_BY_FAMILY);
        seen.set(port(payload), (seen.get(port(payload)) ?? 0) + 1);
      }
      messages += batch.length;
    });
    expect(answer.messages).toBe(messages);
    expect(clients.map((client) => seen.get(client.localPort!))).toEqual(clients.map(() => 1));
    expect(seen.get(ours)).toBe(200);
    for (const client of clients) client.destroy();
    await new Promise((closed) => server.close(closed));
  });

  test('that asks for one thing ends with its answer', async () => {
    const names: string[] = [];
    const request = { family: NetlinkFamily.ROUTE, type: RTM_GETLINK, flags: 0, payload: link(1) };
    const answer = await netlinkRequest(request, (batch) => {
      for (const { payload } of batch) names.push(new TextDecoder().decode(payload.subarray(20, 22)));
    });
    expect(answer).toEqual({ messages: 1, interrupted: false });
    expect(names).toEqual(['lo']);
  });

  test.each([
    ['an interface that is not there', { family: 0, type: RTM_GETLINK, flags: 0, payload: link(99_999) }, 'ENODEV'],
    ['a header that is too short', { family: 0, type: RTM_GETLINK, flags: 0, payload: new Uint8Array(4) }, 'EINVAL'],
    [
      'a dump the kernel refuses',
      { family: 4, type: SOCK_DIAG_BY_FAMILY, flags: DUMP, payload: new Uint8Array(56) },
      'ENOENT',
    ],
    ['a family there is not', { family: 31, type: 16, flags: 0, payload: new Uint8Array(4) }, 'EPROTONOSUPPORT'],
  ])('for %s fails with what the kernel says', async (_, request, errno) => {
    const error = await failure(() => netlinkRequest(request, () => {}));
    expect(error).toMatchObject({ code: 'RETINA_NETLINK_FAILED' });
    expect(error.found).toContain(errno);
  });

  test('fails with what its handler throws', async () => {
    const request = { family: NetlinkFamily.ROUTE, type: RTM_GETLINK, flags: DUMP, payload: link(0) };
    const mine = new Error('mine');
    expect(
      await failure(() =>
        netlinkRequest(request, () => {
          throw mine;
        }),
      ),
    ).toBe(mine);
    await settled();
  });
});

const prelude = `
  const { attribute, eachAttribute } = await import('@retina/sdk');
  const { execFileSync } = await import('node:child_process');
  const out = (...values) => console.log(JSON.stringify(values));
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
`;

async function inside(script: string): Promise<unknown[]> {
  const ended = await child(`${prelude}\n${script}`, { prefix: ['ip', 'netns', 'exec', 'loader-nl'] });
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return ended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

describe('connection tracking', () => {
  // Subsystem 1 in the upper byte; messages NEW 0, GET 1, DELETE 2; groups NEW 1, UPDATE 2, DESTROY 3.
  test('is written to, dumped whole, and its changes are followed', async () => {
    const lines = await inside(`
      const be = (bytes, value) => { const out = Buffer.alloc(bytes); out.writeUIntBE(value, 0, bytes); return out; };
      const nest = (type, ...inner) => attribute(type | 0x8000, inner);
      const tuple = (type, from, to, sport, dport) => nest(type,
        nest(1, attribute(1, Uint8Array.of(...from)), attribute(2, Uint8Array.of(...to))),
        nest(2, attribute(1, Uint8Array.of(17)), attribute(2, be(2, sport)), attribute(3, be(2, dport))));
      const [here, there] = [[10, 0, 0, 1], [10, 0, 0, 2]];
      const create = (sport) => loader.netlinkRequest({ family: 12, type: 0x100, flags: 0x600, payload: Buffer.concat([
        Uint8Array.of(2, 0, 0, 0), tuple(1, here, there, sport, 53), tuple(2, there, here, 53, sport), attribute(7, be(4, 600))]) }, () => {});
      const count = { 256: 0, 258: 0 };
      let lostEvents = 0;
      const watch = loader.netlinkSubscribe(12, [1, 3], (messages, lost) => { lostEvents += lost; for (const m of messages) count[m.type]++; });
      for (let port = 1001; port <= 1500; port++) await create(port);
      out(await create(1001).catch((e) => e.found));
      let seen = 0;
      const dump = { family: 12, type: 0x101, flags: 0x300, payload: Uint8Array.of(2, 0, 0, 0) };
      const answer = await loader.netlinkRequest(dump, (messages) => { seen += messages.filter((m) => m.type === 256).length; });
      out(seen, answer);
      await loader.netlinkRequest({ family: 12, type: 0x102, flags: 0, payload: Uint8Array.of(2, 0, 0, 0) }, () => {});
      while (count[258] < 500) await wait(10);
      out(count[256], count[258], lostEvents);
      watch[Symbol.dispose]();
      await loader.settled();`);
    expect(lines).toEqual([['File exists (EEXIST)'], [500, { messages: 500, interrupted: false }], [500, 500, 0]]);
  });
});

describe('a subscription', () => {
  test('hands over what happens from now on', async () => {
    const types: number[] = [];
    const added = new Promise<void>((done) => {
      const watch = netlinkSubscribe(NetlinkFamily.ROUTE, [RTNLGRP_LINK], (messages) => {
        types.push(...messages.map(({ type }) => type));
        if (messages.some(({ payload }) => new TextDecoder().decode(payload).includes('loadernl2'))) {
          watch[Symbol.dispose]();
          done();
        }
      });
    });
    sh('ip link add loadernl2 type veth peer name loadernl3; ip link delete loadernl2');
    await added;
    expect(types).toContain(RTM_NEWLINK);
  });

  test('leaves messages in the socket while JavaScript is busy, and says when the kernel had no room', async () => {
    const [[lost, after]] = (await inside(`
      execFileSync('ip', ['link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1']);
      let [lost, after, last] = [0, 0, false];
      const watch = loader.netlinkSubscribe(0, [1], (messages, times) => { lost += times; if (last) after += messages.length; });
      await wait(50);
      const churn = Array.from({ length: 16_000 }, (_, i) => 'link set v0 mtu ' + (1000 + (i % 400))).join('\\n') + '\\n';
      execFileSync('ip', ['-batch', '-'], { input: churn });
      await wait(300);
      last = true;
      execFileSync('ip', ['link', 'set', 'v0', 'mtu', '1500']);
      await wait(100);
      out(lost, after);
      watch[Symbol.dispose]();`)) as [[number, number]];
    expect(lost).toBeGreaterThan(0);
    expect(after).toBeGreaterThan(0);
  });

  test('is filtered by the kernel', async () => {
    // Of the changes to links those that bear IFLA_GROUP with bit 5, in network order.
    const [[groups]] = (await inside(`
      const seen = [];
      const group = (payload) => {
        let found;
        eachAttribute(payload, 16, payload.length, (type, at) => { if (type === 27) found = Buffer.from(payload).readUInt32BE(at); });
        return found;
      };
      const watch = loader.netlinkSubscribe(0, [1], (messages) => seen.push(...messages.map((m) => group(m.payload))),
        { header: 16, attribute: 27, mask: 1 << 5 });
      for (const group of [0x40000000, 0x20000000, 1, 0x60000000, 0])
        execFileSync('ip', ['link', 'set', 'lo', 'group', String(group)]);
      await wait(100);
      out(seen);
      watch[Symbol.dispose]();`)) as [[number[]]];
    expect(groups).toEqual([0x20, 0x60]);
  });

  test.each([
    ['a family there is not', 31, [1], 'EPROTONOSUPPORT'],
    ['a group there is not', 0, [10_000], 'EINVAL'],
  ])('to %s is refused at once', (_, family, groups, errno) => {
    expect(() => netlinkSubscribe(family, groups, () => {})).toThrow(
      expect.objectContaining({ code: 'RETINA_NETLINK_FAILED', found: expect.stringContaining(errno) as string }),
    );
  });
});

describe('statistics of a device', () => {
  test('are those the driver has', async () => {
    const statistics = await deviceStatistics('loadernl0');
    const peer = Number(sh('cat /sys/class/net/loadernl1/ifindex'));
    expect(statistics?.get('peer_ifindex')).toBe(peer);
    expect([...statistics!.keys()].some((name) => name.startsWith('rx_queue_0_'))).toBe(true);
  });

  test('are undefined where the driver has none', async () => {
    expect(await deviceStatistics('lo')).toBeUndefined();
  });

  test.each(['gone0', 'a-name-that-is-far-too-long', '', 'lo\0x'])(
    'of %j fail: there is no such interface',
    async (name) => {
      const error = await failure(() => deviceStatistics(name));
      expect(error).toMatchObject({ code: 'RETINA_NETLINK_FAILED' });
      expect(error.found).toContain('ENODEV');
    },
  );
});
