import type { Netlink } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Remotes } from './remotes.ts';
import { countSockets, SocketCounts } from './sockets.ts';

/** A message of the kernel about a socket: struct nlmsghdr, struct inet_diag_msg, and an attribute as it adds some. */
function socket(family: 2 | 10, state: number, remote: readonly number[]): Uint8Array {
  const message = new Uint8Array(16 + 72 + 8);
  message.set([93, 0, 0, 0, 20, 0, 2, 0]); // ends in the middle of a word, as the last attribute may
  message.set([family, state], 16);
  message.set(remote, 16 + 24);
  return message;
}

const counts = (limit = 0) => new SocketCounts(new Remotes(limit));
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255] as const;

/** A kernel that answers a request with what it is given, in turn. */
function kernel(...answers: { readonly messages: readonly Uint8Array[]; readonly interrupted: boolean }[]): Netlink {
  return {
    request: async (request, handle) => {
      expect([request.type, request.flags, request.payload.length, request.unsplit]).toEqual([20, 0x300, 56, true]);
      const { messages, interrupted } = answers.shift()!;
      handle([{ type: 0, flags: 0, payload: Buffer.concat(messages) }]);
      return { messages: messages.length, interrupted };
    },
    subscribe: () => ({ [Symbol.dispose]: () => undefined }),
  };
}

const add = (to: SocketCounts, family: 0 | 1, ...messages: Uint8Array[]) => to.add(Buffer.concat(messages), family);

describe('counting sockets', () => {
  it('counts by state and family, and connections to others', () => {
    const all = counts();
    add(all, 0, socket(2, 1, [10, 0, 0, 1]), socket(2, 1, [127, 0, 0, 1]), socket(2, 10, [0, 0, 0, 0]));
    add(all, 1, socket(10, 6, [...MAPPED, 10, 0, 0, 1]), socket(10, 6, [...MAPPED, 127, 0, 0, 9]));
    add(all, 1, socket(10, 1, [...new Array<number>(15).fill(0), 1]), socket(10, 1, [0xfd, 0]));
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

  it('counts what is no socket, and goes on behind it', () => {
    const all = counts();
    const done = Uint8Array.of(20, 0, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const short = socket(2, 1, []).slice(0, 80);
    short[0] = 80;
    add(
      all,
      0,
      done,
      socket(2, 99, []),
      short,
      socket(2, 1, [10]),
      Uint8Array.of(200, 0, 0, 0, 20, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
    );
    expect([all.malformed, all.of(0, 1)]).toEqual([4, 1]);
  });

  it('survives any bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.tuple(fc.nat(300), fc.nat(255)).map(([at, value]) => {
        const batch = Buffer.concat(Array.from({ length: 4 }, () => socket(2, 1, [10])));
        batch[at] = value;
        return batch;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom(0 as const, 1 as const), (batch, family) => {
        const all = counts(3);
        all.add(batch, family);
        let sum = all.malformed;
        for (let state = 0; state < 16; state++) sum += all.of(family, state);
        expect(sum).toBeLessThanOrEqual(batch.length / 16 + 1);
        expect(all.remotes.top().length).toBeLessThanOrEqual(4);
      }),
    );
  });
});

describe('remote addresses', () => {
  it('reports those with the most connections, and the others together', () => {
    const all = counts(2);
    const to = (last: number, times: number) => Array.from({ length: times }, () => socket(2, 1, [10, 0, 0, last]));
    add(all, 0, ...to(1, 2), ...to(2, 5), ...to(3, 1), ...to(4, 1));
    // the first again, as a socket of both families has it
    add(all, 1, socket(10, 1, [...MAPPED, 10, 0, 0, 1]), socket(10, 1, [0xfd, ...new Array<number>(14).fill(0), 7]));
    expect(all.remotes.top()).toEqual([['10.0.0.2', 5], ['10.0.0.1', 3], ['other', 3]]); // prettier-ignore
  });

  it('writes IPv6 addresses as everybody does', () => {
    const all = counts(1);
    add(all, 1, socket(10, 1, [0xfd, 0, 0, 0x77, ...new Array<number>(11).fill(0), 1]));
    expect(all.remotes.top()).toEqual([['fd00:77::1', 1]]);
  });
});
