import { expect, test } from 'vitest';
import { formatAddress } from '../identity/address.ts';
import { ConfiguredApiServers } from './api-servers.ts';

const texts = (servers: readonly { readonly address: Uint8Array; readonly port: number }[]) =>
  servers.map(({ address, port }) => `${formatAddress(address)} ${port}`);

test('whoever watches is told at once and at every change, until it has had enough', () => {
  const servers = new ConfiguredApiServers(['10.0.0.1:443', '[fd00::1]:6443']);
  const told: string[][] = [];
  const listener = (list: Parameters<typeof texts>[0]) => void told.push(texts(list));
  const first = servers.watch(listener);
  const second = servers.watch(listener);
  expect(told).toEqual([['10.0.0.1 443', 'fd00::1 6443'], ['10.0.0.1 443', 'fd00::1 6443']]); // prettier-ignore
  first[Symbol.dispose]();
  servers.configure(['10.0.0.2:443']);
  expect(told.slice(2)).toEqual([['10.0.0.2 443']]);
  second[Symbol.dispose]();
  servers.configure([]);
  expect([told.length, servers.list()]).toEqual([3, []]);
});
