import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { TokenBucket, type Verdict, WorkQueue, type WorkQueueOptions } from './work-queue.ts';

function queue(work: WorkQueueOptions['work'], more: Partial<WorkQueueOptions> = {}) {
  const onError = (): Verdict => 'later';
  return new WorkQueue({ work, onError, concurrency: 4, rate: 1e6, burst: 1e6, backoffMs: [5, 20], ...more });
}

it('works each key once however often it is added, and again when it is added while worked on', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const inside = new Set<string>();
  const made = queue(async (key) => {
    expect(inside.has(key)).toBe(false);
    inside.add(key);
    seen.push(key);
    if (key === 'a' && seen.filter((k) => k === 'a').length === 1) made.add('a');
    await sleep(2);
    inside.delete(key);
    if (seen.length === 4) stop.abort();
  });
  for (const key of ['a', 'b', 'a', 'b', 'c']) made.add(key);
  await made.run(stop.signal);
  expect(seen.sort()).toEqual(['a', 'a', 'b', 'c']);
  expect(made.coalesced).toBe(2);
});

it('gathers keys for a moment where it is told to, and works on them together', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const made = queue(
    async (key) => {
      seen.push(key);
      if (key === 'last') stop.abort();
    },
    { gatherMs: 500 },
  );
  const running = made.run(stop.signal);
  for (const key of ['a', 'a', 'b', 'a']) {
    made.add(key);
    await sleep(0);
    expect(seen).toEqual([]);
  }
  await expect.poll(() => seen).toEqual(['a', 'b']);
  expect(made.coalesced).toBe(2);
  made.add('last');
  await running;
});

it('tries a key that fails again, and the others meanwhile', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const made = queue(async (key) => {
    seen.push(key);
    if (key === 'bad' && seen.filter((k) => k === 'bad').length < 3) throw new Error('no');
    if (key === 'bad') stop.abort();
  });
  made.add('bad');
  made.add('good');
  await made.run(stop.signal);
  expect(seen).toEqual(['bad', 'good', 'bad', 'bad']);
});

it('drops what is to be dropped, and lets everything wait when it is nobody’s fault', async () => {
  const stop = new AbortController();
  let down = true;
  const done: string[] = [];
  let tried = 0;
  const made = queue(
    async (key) => {
      tried++;
      if (key === 'gone') throw new Error('gone');
      if (down) throw new Error('down');
      done.push(key);
      if (done.length === 50) stop.abort();
    },
    { onError: (key) => (key === 'gone' ? 'drop' : 'wait'), concurrency: 2, backoffMs: [20, 40] },
  );
  made.add('gone');
  for (let i = 0; i < 50; i++) made.add(`k${i}`);
  const running = made.run(stop.signal);
  await sleep(30);
  const whileDown = tried;
  down = false;
  await running;
  expect(whileDown).toBeLessThan(15); // not 50 refusals
  expect(new Set(done).size).toBe(50);
});

it('ends with nothing in flight', async () => {
  const stop = new AbortController();
  let inFlight = 0;
  const made = queue(async () => {
    inFlight++;
    await sleep(10);
    inFlight--;
  });
  for (let i = 0; i < 20; i++) made.add(`k${i}`);
  const running = made.run(stop.signal);
  await sleep(5);
  expect(inFlight).toBe(4);
  stop.abort();
  await running;
  expect(inFlight).toBe(0);
  expect(made.length).toBe(16);
});

it('lets a burst through and then as many as the rate says', async () => {
  const { signal } = new AbortController();
  const bucket = new TokenBucket(1000, 10);
  const began = performance.now();
  for (let i = 0; i < 60; i++) await bucket.take(signal);
  expect(performance.now() - began).toBeGreaterThan(45); // 50 past the burst, at 1000 a second
  const ended = new AbortController();
  ended.abort(new Error('ended'));
  await expect(bucket.take(ended.signal)).rejects.toThrow('ended');
});
