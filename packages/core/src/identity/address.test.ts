import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { contains, formatAddress, parseAddress, parsePrefix } from './address.ts';
import { AddressMap, words } from './address-map.ts';

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc
    .uint8Array({ minLength: 4, maxLength: 4 })
    .map((v4) => Uint8Array.from([...new Array<number>(10).fill(0), 255, 255, ...v4])),
  fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((a) => Uint8Array.from(a)),
);

describe('addresses', () => {
  it('are written as RFC 5952 says, and read back', () => {
    fc.assert(
      fc.property(bytes, (address) => {
        const parsed = ipaddr.fromByteArray([...address]) as ipaddr.IPv6;
        const expected = parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toRFC5952String();
        expect(formatAddress(address)).toBe(expected);
        expect(parseAddress(expected)).toEqual(address);
      }),
    );
  });

  it.each(['', '1', '10.1', '010.0.0.1', '1.2.3.4.5', '::g', '1.2.3.4/8', 'localhost'])('refuses %j', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.128/25', '10.0.0.127', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['fd00::1', 'fd00::1', true],
  ])('%s contains %s: %s', (prefix, address, inside) => {
    expect(contains(parsePrefix(prefix)!, parseAddress(address)!)).toBe(inside);
  });

  it.each(['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '/8', '10.0.0.0/8x'])(
    'refuses the prefix %j',
    (text) => {
      expect(parsePrefix(text)).toBeUndefined();
    },
  );
});

describe('AddressMap', () => {
  it('behaves as a map, through growth and removal', () => {
    const few = fc.array(fc.constantFrom(0, 1), { minLength: 16, maxLength: 16 }).map((a) => Uint8Array.from(a));
    const step = fc.record({ address: fc.oneof(few, bytes), value: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const map = new AddressMap();
        const model = new Map<string, number>();
        for (const { address, value } of steps) {
          map.set(...words(address), value);
          if (value === 0) model.delete(address.join());
          else model.set(address.join(), value);
        }
        expect(map.count).toBe(model.size);
        for (const { address } of steps) expect(map.get(...words(address))).toBe(model.get(address.join()) ?? 0);
      }),
    );
  });
});
