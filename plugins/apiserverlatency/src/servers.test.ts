import type { ServerAddress } from '@retina/sdk';
import { expect, it } from 'vitest';
import { maps } from '../test/maps.ts';
import { serverBit, serverKey, Servers } from './servers.ts';

const server = (last: number, port = 6443): ServerAddress => ({
  address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, last),
  port,
});

it('keeps the table like the list, and the filter open for exactly what is in it', () => {
  const { object, of } = maps();
  const servers = new Servers(object);
  const bits = () => {
    const filter = new Uint32Array([...of('api_filter').values()][0]!.slice().buffer);
    return [...filter.entries()].flatMap(([i, word]) => [...Array(32).keys()].filter((b) => (word >>> b) & 1).map((b) => 32 * i + b)); // prettier-ignore
  };
  expect(servers.set([server(1), server(2), server(1)])).toBe(0);
  expect(of('api_servers').size).toBe(2);
  expect(bits()).toEqual([server(1), server(2)].map((one) => serverBit(serverKey(one))).sort((a, b) => a - b));
  servers.set([server(2), server(2, 443)]);
  expect([...of('api_servers').keys()].sort()).toEqual([server(2, 443), server(2)].map((one) => Buffer.from(serverKey(one)).toString('hex')).sort()); // prettier-ignore
  servers.set([]);
  expect([of('api_servers').size, bits()]).toEqual([0, []]);
});

it('leaves out what the table has no room for, and says so', () => {
  const { object, of } = maps();
  const servers = new Servers(object);
  const many = Array.from({ length: 300 }, (_, i) => server(i % 256, 6443 + (i >> 8)));
  expect(servers.set(many)).toBe(44);
  expect(of('api_servers').size).toBe(256);
});

it('spreads addresses over the filter', () => {
  const bits = new Set(Array.from({ length: 256 }, (_, i) => serverBit(serverKey(server(i)))));
  expect(bits.size).toBeGreaterThan(150); // 201 of 512 by chance
  expect(Math.max(...bits)).toBeLessThan(512);
});
