import { expect, test } from 'vitest';
import { onTheBeat } from './beat.ts';

const monotonicMs = () => Number(process.hrtime.bigint() / 1000n) / 1000;

test('turns come at multiples of the pace, never before, and not after the end', async () => {
  const at: number[] = [];
  const stop = onTheBeat(20, () => void at.push(monotonicMs()));
  while (at.length < 5) await new Promise((done) => setTimeout(done, 5));
  stop();
  const turns = at.length;
  const beats = at.map((time) => Math.floor((time + 1.5) / 20)); // a timer keeps whole milliseconds
  expect(new Set(beats).size, 'no beat twice').toBe(turns);
  await new Promise((done) => setTimeout(done, 60));
  expect(at.length).toBe(turns);
});
