import { describe, expect, it } from 'vitest';
import { parseAddress } from '../identity/address.ts';
import { AddressNameTable } from './address-names.ts';

let now = 1e12;
const address = (n: number) => parseAddress(`fd00::${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}`)!;

describe('names of addresses', () => {
  it('are the last four, newest first, each for its time to live', () => {
    const names = new AddressNameTable(() => now);
    const one = parseAddress('192.0.2.1')!;
    for (const name of ['a', 'b', 'c', 'd', 'e']) names.learn(one, name, 60);
    names.learn(one, 'c', 3600);
    names.learn(one, 'short', 0); // a second at least
    expect(names.of(one)).toEqual(['short', 'c', 'e', 'd']);
    now += 1_500;
    expect(names.of(one)).toEqual(['c', 'e', 'd']);
    now += 60_000;
    expect(names.of(one)).toEqual(['c']);
    names.learn(one, 'forever', Infinity);
    now += 86_400_001;
    expect(names.of(one)).toEqual([]);
    names.sweep();
    expect(names.size).toBe(0);
    expect(names.of(parseAddress('192.0.2.2')!)).toEqual([]);
  });

  it('take nothing that is no address or no name', () => {
    const names = new AddressNameTable(() => now);
    names.learn(new Uint8Array(4), 'a', 60);
    names.learn(address(1), '', 60);
    names.learn(address(1), 'x'.repeat(2000), 60);
    expect(names.size).toBe(0);
  });

  it('are bounded by addresses and by text; what was learned longest ago gives way', () => {
    const names = new AddressNameTable(() => now);
    for (let n = 0; n < 70_000; n++) names.learn(address(n), 'n', 60);
    expect([names.size, names.of(address(0)), names.of(address(69_999))]).toEqual([65_536, [], ['n']]);
    for (let n = 0; n < 9_000; n++) names.learn(address(n), `${n}`.padEnd(1000, 'x'), 60);
    expect(names.size).toBeLessThan(4300);
    expect(names.of(address(8_999))).toHaveLength(1);
    now += 61_000;
    names.sweep();
    for (let n = 0; n < 4_000; n++) names.learn(address(n), 'y'.repeat(1000), 60); // the room was given back
    expect(names.size).toBe(4_000);
  });
});
