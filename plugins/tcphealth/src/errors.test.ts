import { expect, it } from 'vitest';
import { errorName } from './errors.ts';

it('names errors as programs know them, and never more than there are', () => {
  expect([111, 110, 113, 101, 99].map(errorName)).toEqual([
    'ECONNREFUSED',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EADDRNOTAVAIL',
  ]);
  expect([0xfffe, 0xffff, 0, 134, 9999].map(errorName)).toEqual(['given_up', 'unsent', 'other', 'other', 'other']);
  const all = new Set(Array.from({ length: 65_536 }, (_, code) => errorName(code)));
  expect(all.size).toBeLessThan(140);
});
