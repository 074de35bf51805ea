import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Turns } from './slice.ts';

/** A clock that work moves, and workers that need so many milliseconds for each of their pieces. */
function world() {
  let now = 0;
  const turns = new Turns(5, () => now);
  const done: string[] = [];
  const work = async (name: string, pieces: number, ms: number) => {
    for (let i = 0; i < pieces; i++) {
      now += ms;
      done.push(name);
      if (turns.over) await turns.pause();
    }
  };
  return { done, work, now: () => now };
}

it('gives all of them together one share of a turn', async () => {
  const { work, now } = world();
  const ends = Promise.all(Array.from({ length: 6 }, (_, i) => work(String(i), 50, 1)));
  let ended = false;
  void ends.then(() => (ended = true));
  await turn();
  for (let before = now(); !ended; before = now()) {
    await turn();
    // The share, and the piece that is begun before it is over.
    expect(now() - before).toBeLessThanOrEqual(6);
  }
  expect(now()).toBe(300);
});

it('lets each go on in its turn', async () => {
  const { done, work } = world();
  await Promise.all([work('a', 3, 10), work('b', 3, 10), work('c', 1, 10)]);
  expect(done.join('')).toBe('aabcabb'); // what comes before it is asked for is nobody's
});
