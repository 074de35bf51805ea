import { expect, it } from 'vitest';
import { Totals } from './totals.ts';

it('follows a counter past 2^53 without getting stuck', () => {
  const totals = new Totals(1);
  let shown = totals.step('a', 2n ** 60n)!;
  for (let i = 1n; i <= 10_000n; i++) shown += totals.step('a', 2n ** 60n + i * 100n)!;
  expect(shown).toBe(Number(2n ** 60n + 1_000_000n));
});

it('goes on from zero when a device was reset, and never falls', () => {
  const totals = new Totals(1);
  const steps = [10n, 15n, 4n, 4n, 9n, 0n].map((value) => totals.step('a', value));
  expect(steps).toEqual([10, 5, 4, 0, 5, 0]);
});

it('remembers no more series than it may', () => {
  const totals = new Totals(2);
  expect(['a', 'b', 'c', 'a'].map((key) => totals.step(key, 1n))).toEqual([1, 1, undefined, 0]);
});
