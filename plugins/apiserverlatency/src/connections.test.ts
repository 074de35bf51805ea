import { expect, it } from 'vitest';
import { maps } from '../test/maps.ts';
import { Connections } from './connections.ts';

it('counts a request once, a new one again, and forgets connections that are closed or silent', async () => {
  const { object, set, of } = maps();
  const connections = new Connections(object, 4, 1e9);
  const signal = new AbortController().signal;
  const key = (i: number) => Uint8Array.from({ length: 40 }, (_, at) => (at === 0 ? i : 0));
  const open = (...keys: number[]) =>
    connections.add({
      layout: { stride: 40 },
      length: keys.length,
      buffer: Buffer.concat(keys.map(key)),
    } as unknown as Parameters<typeof connections.add>[0]);
  const now = process.hrtime.bigint();
  const state = (i: number, sinceAgo: bigint | undefined, seenAgo = 0n) => {
    const value = Buffer.alloc(32);
    value.writeBigUInt64LE(sinceAgo === undefined ? 0n : now - sinceAgo * 1_000_000_000n, 0);
    value.writeBigUInt64LE(now - seenAgo * 1_000_000_000n, 8);
    set('api_connections', key(i), value);
  };
  open(1, 2, 3, 4);
  state(1, 3n); // too late
  state(2, undefined); // waits for nothing
  state(3, 200n, 200n); // too late, and silent since
  expect(await connections.sweep(signal)).toBe(2);
  expect(connections.size).toBe(2); // the third was forgotten, the fourth is closed
  expect(of('api_connections').size).toBe(2);
  expect(await connections.sweep(signal)).toBe(0);
  state(1, 2n); // another request
  expect(await connections.sweep(signal)).toBe(1);
  open(1, 5, 6, 7, 8, 9, 10);
  state(11, undefined);
  expect([connections.size, open(11, 12)]).toEqual([8, 2]);
  expect(of('api_connections').size).toBe(2); // what is not watched must not stay for ever
});
