import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineLayout } from '@retina/sdk';
import { openObject, settled } from '../src/index.ts';
import type { LoadedObject, ObjectSpec } from '../src/index.ts';
import { child, compile, failure } from './support.ts';

const event = defineLayout({
  name: 'event',
  stride: 24,
  fields: {
    number: { offset: 0, type: 'u64', size: 8 },
    key: { offset: 8, type: 'u32', size: 4 },
    mark: { offset: 12, type: 'u32', size: 4 },
    bytes: { offset: 16, type: 'bytes', size: 8 },
  },
});
const total = defineLayout({
  name: 'total',
  stride: 24,
  fields: {
    key: { offset: 0, type: 'u32', size: 4 },
    count: { offset: 8, type: 'u64', size: 8 },
    sum: { offset: 16, type: 'u64', size: 8 },
  },
});
const packet = new Uint8Array(64);
const object = compile('records');
let spec: ObjectSpec;
beforeAll(() => void (spec = openObject(object)));
afterAll(() => spec[Symbol.dispose]());

/** Leaves the event loop for `ms`, so that the native thread works meanwhile and JavaScript does not. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

describe('a stream', () => {
  test('hands over every record in order, in few calls', async () => {
    using loaded = await spec.load({ constants: { burst: 10 } });
    const numbers: number[] = [];
    let calls = 0;
    using source = loaded.stream('events', event, (batch) => {
      calls++;
      for (let row = 0; row < batch.length; row++) {
        const number = batch.col.number(row);
        numbers.push(number);
        expect(batch.col.mark(row)).toBe(0xfeed);
        expect(batch.bytes('bytes', row)).toEqual(new Uint8Array(8).fill(number));
      }
    });
    for (let i = 0; i < 100; i++) loaded.program('run').testRun(packet);
    await source.flush();
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(calls).toBeLessThan(20);
  });

  test('wakes by itself, at once', async () => {
    using loaded = await spec.load();
    const seen: number[] = [];
    using source = loaded.stream('events', event, () => seen.push(performance.now()));
    await source.flush();
    const start = performance.now();
    loaded.program('run').testRun(packet);
    await expect.poll(() => seen).toHaveLength(1);
    expect(seen[0]! - start).toBeLessThan(500); // what looks after losses comes once a second
  });

  test('leaves records in the ring while JavaScript is busy, and counts what the ring could not hold', async () => {
    using loaded = await spec.load({ constants: { burst: 50 } });
    let [records, lost, calls] = [0, 0, 0];
    using source = loaded.stream('events', event, (batch) => {
      calls++;
      records += batch.length;
      lost += batch.lost;
      if (calls < 8) block(10);
    });
    for (let i = 0; i < 400; i++) loaded.program('run').testRun(packet); // 20 000 records; slabs and ring hold about 13 000
    await source.flush();
    await pause(1100); // losses alone are told once a second
    expect(lost).toBeGreaterThan(0);
    expect(records + lost).toBe(20_000);
    expect(sum(loaded.counters('events_lost'))).toBe(lost);
  });

  test('read by time wakes nobody before the ring is half full', async () => {
    using loaded = await spec.load({ constants: { burst: 32, quiet: 1 } });
    let [records, calls] = [0, 0];
    const count = (length: number) => {
      calls++;
      records += length;
    };
    using source = loaded.stream('events', event, (batch) => count(batch.length), { everyMs: 600_000 });
    await source.flush(); // what is there when the thread begins to listen is read at once
    for (let i = 0; i < 32; i++) loaded.program('run').testRun(packet); // 1 024 of the 2 048 records there is room for
    await pause(100);
    expect([records, calls]).toEqual([0, 0]);
    loaded.program('run').testRun(packet);
    await expect.poll(() => records).toBeGreaterThan(1024);
    await source.flush(); // what came after the wake-up is quiet again
    expect(records).toBe(33 * 32);
  });

  test('read by time hands over every record', async () => {
    using loaded = await spec.load({ constants: { burst: 10, quiet: 1 } });
    let records = 0;
    const all = new Promise<void>((done) => {
      const count = (length: number) => (records += length) === 1000 && done();
      loaded.stream('events', event, (batch) => void count(batch.length), { everyMs: 20 });
    });
    for (let i = 0; i < 100; i++) loaded.program('run').testRun(packet);
    await all;
    expect(sum(loaded.counters('events_lost'))).toBe(0);
    expect(() => loaded.stream('events', event, () => {}, { everyMs: 0 })).toThrow(RangeError);
  });

  test('of another record size than its layout ends with an error', async () => {
    const script = `
      const loaded = await loader.openObject(${JSON.stringify(object)}).load();
      process.on('uncaughtException', (error) => { console.log(error.code); process.exit(3); });
      const reported = new Promise((done) => { loaded.onSourceFailure = done; });
      loaded.stream('events', { name: 'event', stride: 32, fields: {} }, () => {});
      loaded.program('run').testRun(new Uint8Array(64));
      console.log((await reported).code);
      loaded.onSourceFailure = undefined;
      loaded.stream('events', { name: 'event', stride: 32, fields: {} }, () => {});
      loaded.program('run').testRun(new Uint8Array(64));`;
    expect(await child(script)).toMatchObject({ code: 3, stdout: 'RETINA_OBJECT_INVALID\nRETINA_OBJECT_INVALID\n' });
  });
});

describe('a table', () => {
  const collect = (loaded: LoadedObject, ms: number, into: Map<number, [number, number]>, slow = 0) =>
    loaded.table('totals', total, ms, (batch) => {
      for (let row = 0; row < batch.length; row++) {
        const [count, sum] = into.get(batch.col.key(row)) ?? [0, 0];
        into.set(batch.col.key(row), [count + batch.col.count(row), sum + batch.col.sum(row)]);
      }
      if (slow) block(slow);
    });

  test('hands every addition over exactly once, whatever flips while programs run', async () => {
    using loaded = await spec.load({ constants: { burst: 64, keys: 3000 } });
    const got = new Map<number, [number, number]>();
    let batches = 0;
    using source = collect(loaded, 7, got);
    const end = performance.now() + 1500;
    let runs = 0;
    const program = loaded.program('run');
    while (performance.now() < end) {
      program.testRun(packet, { repeat: 200 });
      runs += 200;
      if (++batches % 20 === 0) await pause(0);
    }
    await source.flush();
    const additions = runs * 64;
    expect(sum([...got.values()].map(([count]) => count))).toBe(additions);
    expect(sum([...got.values()].map(([, sum]) => sum))).toBe((additions * (additions - 1)) / 2);
    expect(got.size).toBe(3000);
    expect(loaded.map('totals_0').entries().length + loaded.map('totals_1').entries().length).toBe(0);
  });

  test('keeps what JavaScript has no time for, and counts what found no room', async () => {
    using loaded = await spec.load({ constants: { burst: 64, keys: 100_000 } });
    const got = new Map<number, [number, number]>();
    using source = collect(loaded, 5, got, 15);
    for (let i = 0; i < 30; i++) {
      loaded.program('run').testRun(packet, { repeat: 100 });
      await pause(1);
    }
    await source.flush();
    await source.flush();
    const [lost] = loaded.counters('totals_lost');
    expect(lost).toBeGreaterThan(0);
    expect(sum([...got.values()].map(([count]) => count)) + lost!).toBe(30 * 100 * 64);
  });

  test('must have the layout of its maps', async () => {
    using loaded = await spec.load();
    expect(await failure(() => loaded.table('totals', { ...total, stride: 32 }, 5, () => {}))).toMatchObject({
      code: 'RETINA_OBJECT_INVALID',
    });
    expect(await failure(() => loaded.table('events', total, 5, () => {}))).toMatchObject({
      code: 'RETINA_OBJECT_INVALID',
    });
    expect(await failure(() => loaded.stream('totals_0', event, () => {}))).toMatchObject({
      code: 'RETINA_OBJECT_INVALID',
    });
    expect(await failure(() => loaded.counters('totals_0'))).toMatchObject({ code: 'RETINA_OBJECT_INVALID' });
  });
});

describe('sources that are due together', () => {
  test('come in one turn of the event loop, though some wait for running programs', async () => {
    using loaded = await spec.load({ constants: { burst: 10, quiet: 1 } });
    let [turn, together] = [0, 0];
    const seen = { stream: -1, table: -1 };
    const note = (source: keyof typeof seen) => {
      seen[source] = turn;
      if (seen.stream === seen.table) together++;
      setImmediate(() => turn++);
    };
    using events = loaded.stream('events', event, () => note('stream'), { everyMs: 20 });
    using totals = loaded.table('totals', total, 20, () => note('table'));
    await Promise.all([events.flush(), totals.flush()]);
    for (let beat = 0; beat < 20; beat++) {
      loaded.program('run').testRun(packet);
      const before = together + turn;
      await expect.poll(() => together + turn).toBeGreaterThan(before);
      await pause(25);
    }
    expect(together).toBeGreaterThan(10);
  });
});

describe('closing', () => {
  test('ends a source at once and rejects what waits for a flush', async () => {
    using loaded = await spec.load();
    let calls = 0;
    const source = loaded.stream('events', event, () => calls++);
    loaded.program('run').testRun(packet);
    const flush = failure(() => source.flush());
    source[Symbol.dispose]();
    source[Symbol.dispose]();
    expect(await flush).toMatchObject({ code: 'RETINA_CLOSED' });
    expect(await failure(() => source.flush())).toMatchObject({ code: 'RETINA_CLOSED' });
    await settled();
    expect(calls).toBe(0);
  });

  test('may happen inside the handler', async () => {
    using loaded = await spec.load({ constants: { burst: 64 } });
    let calls = 0;
    const source = loaded.stream('events', event, () => {
      calls++;
      source[Symbol.dispose]();
      loaded[Symbol.dispose]();
    });
    loaded.program('run').testRun(packet, { repeat: 20 });
    await expect.poll(() => calls).toBe(1);
    await settled();
    expect(calls).toBe(1);
  });

  test('lets a handler throw as any event handler does', async () => {
    const script = `
      const loaded = await loader.openObject(${JSON.stringify(object)}).load();
      let thrown = 0;
      process.on('uncaughtException', (error) => { console.log(error.message); if (++thrown === 2) process.exit(4); });
      loaded.stream('events', ${JSON.stringify(event)}, () => { throw new Error('mine'); });
      loaded.program('run').testRun(new Uint8Array(64));
      setTimeout(() => loaded.program('run').testRun(new Uint8Array(64)), 50);`;
    expect(await child(script)).toMatchObject({ code: 4, stdout: 'mine\nmine\n' });
  });
});
