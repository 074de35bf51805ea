import type { Netlink, NetlinkMessage } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Remotes } from './remotes.ts';
import { countSockets, SocketCounts } from './sockets.ts';

/** A message of the kernel about a socket, as bytes: struct inet_diag_msg. */
function socket(family: 2 | 10, state: number, remote: readonly number[]): NetlinkMessage {
  const payload = new Uint8Array(88);
  payload.set([family, state]);
  payload.set(remote, 24);
  return { type: 20, flags: 2, payload };
}

const counts = (limit = 0) => new SocketCounts(new Remotes(limit));
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255] as const;

/** A kernel that answers a request with what it is given, in turn. */
function kernel(
  ...answers: { readonly messages: readonly NetlinkMessage[]; readonly interrupted: boolean }[]
): Netlink {
  return {
    request: async (request, handle) => {
      expect([request.type, request.flags, request.payload.length]).toEqual([20, 0x300, 56]);
      const { messages, interrupted } = answers.shift()!;
      handle(messages);
      return { messages: messages.length, interrupted };
    },
    subscribe: () => ({ [Symbol.dispose]: () => undefined }),
  };
}

describe('counting sockets', () => {
  it('counts by state and family, and connections to others', () => {
    const all = counts();
    all.add([socket(2, 1, [10, 0, 0, 1]), socket(2, 1, [127, 0, 0, 1]), socket(2, 10, [0, 0, 0, 0])], 0);
    all.add([socket(10, 6, [...MAPPED, 10, 0, 0, 1]), socket(10, 6, [...MAPPED, 127, 0, 0, 9])], 1);
    all.add([socket(10, 1, [...new Array<number>(15).fill(0), 1]), socket(10, 1, [0xfd, 0])], 1);
    expect([all.of(0, 1), all.of(0, 10), all.of(1, 1), all.of(1, 6), all.of(1, 10)]).toEqual([2, 1, 2, 2, 0]);
    expect(all.connections).toBe(3);
    expect(all.malformed).toBe(0);
  });

  it('asks for both families, a second time when the table changed meanwhile, and then gives up', async () => {
    const one = { messages: [socket(2, 1, [10, 0, 0, 1])], interrupted: false };
    const torn = { ...one, interrupted: true };
    const twice = await countSockets(kernel(torn, one, one, one), () => counts());
    expect([twice.of(0, 1), twice.of(1, 1)]).toEqual([1, 1]); // what the first attempt saw is not counted on top
    await expect(countSockets(kernel(torn, one, one, torn), () => counts())).rejects.toThrow(/changed twice/);
  });

  it('counts what is no socket, and survives any bytes', () => {
    const message = fc.record({
      type: fc.constantFrom(0, 20),
      flags: fc.nat(),
      payload: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(fc.array(message), fc.constantFrom(0, 1), (messages, family) => {
        const all = counts(3);
        all.add(messages, family);
        let sum = all.malformed;
        for (let state = 0; state < 16; state++) sum += all.of(family, state);
        expect(sum).toBe(messages.length);
      }),
    );
  });
});

describe('remote addresses', () => {
  it('reports those with the most connections, and the others together', () => {
    const all = counts(2);
    const to = (last: number, times: number) => new Array<NetlinkMessage>(times).fill(socket(2, 1, [10, 0, 0, last]));
    all.add([...to(1, 2), ...to(2, 5), ...to(3, 1), ...to(4, 1)], 0);
    // the same address as seen by a socket of both families
    all.add(
      [socket(10, 1, [...MAPPED, 10, 0, 0, 1]), socket(10, 1, [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7])],
      1,
    );
    expect(all.remotes.top()).toEqual([['10.0.0.2', 5], ['10.0.0.1', 3], ['other', 3]]); // prettier-ignore
  });

  it('writes IPv6 addresses as everybody does', () => {
    const all = counts(1);
    all.add([socket(10, 1, [0xfd, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])], 1);
    expect(all.remotes.top()).toEqual([['fd00:77::1', 1]]);
  });
});
