import { setTimeout as sleep } from 'node:timers/promises';
import { FLOW_STRIDE, FlowWriter, RetinaError, type FlowBatch, type Sink } from '@retina/sdk';
import { describe, expect, test } from 'vitest';
import { memoryLogger, until } from '../host/testing.ts';
import type { PushLimits } from './limits.ts';
import { PushDriver } from './push.ts';

const LIMITS: PushLimits = {
  intervalMs: 20,
  batch: 1024,
  waitMs: 5,
  timeoutMs: 30,
  retryMs: 1,
  retryMaxMs: 4,
  giveUpMs: 60,
  breakAfter: 3,
  queueBytes: 4 * 1024 * FLOW_STRIDE,
};

function batchOf(records: number, first = 0): FlowBatch {
  const writer = new FlowWriter(records);
  for (let n = 0; n < records; n++) writer.add({ packets: first + n });
  return writer.batch();
}

function packets(batch: FlowBatch): number[] {
  return Array.from({ length: batch.length }, (_, row) => batch.packets(row));
}

function drive(sink: Sink, limits: Partial<PushLimits> = {}) {
  const counts = { seen: 0, delivered: 0, queue_full: 0, refused: 0, gave_up: 0, shutdown: 0, away: 0, points: 0 };
  const states: (string | undefined)[] = [];
  const circuit: boolean[] = [];
  const stuck: RetinaError[] = [];
  const driver = new PushDriver({
    sink,
    reader: { families: () => [] },
    limits: { ...LIMITS, ...limits },
    log: memoryLogger(),
    events: {
      seen: (records) => (counts.seen += records),
      delivered: (records) => (counts.delivered += records),
      lost: (cause, records) => (counts[cause] += records),
      refusedPoints: (points) => (counts.points += points),
      called: () => undefined,
      circuit: (_, open) => circuit.push(open),
      state: (_, cause) => states.push(cause?.code),
      stuck: (error) => stuck.push(error),
    },
  });
  const accounted = () => counts.delivered + counts.queue_full + counts.refused + counts.gave_up + counts.shutdown;
  return { driver, counts, states, circuit, stuck, accounted };
}

const hang = () => new Promise<void>(() => undefined);

describe('flow records', () => {
  test('arrive in order, in batches, copied, whatever the source does with its batch afterwards', async () => {
    const seen: number[] = [];
    const sizes: number[] = [];
    const { driver, counts } = drive({
      async flows(batch) {
        await sleep(1);
        sizes.push(batch.length);
        seen.push(...packets(batch));
      },
    });
    for (let n = 0; n < 3000; n += 500) {
      const batch = batchOf(500, n);
      driver.flows(batch);
      batch.buffer.fill(0xff);
    }
    await driver.stop(1000);
    expect(seen).toEqual(Array.from({ length: 3000 }, (_, n) => n));
    expect(sizes.length).toBeLessThan(6);
    expect(counts).toMatchObject({ seen: 3000, delivered: 3000 });
  });

  test('are all accounted for when the receiver fails at random, and none arrives twice', async () => {
    const got = new Map<number, number>();
    let n = 0;
    const { driver, counts, accounted } = drive(
      {
        async flows(batch) {
          await sleep(0);
          const turn = n++ % 5;
          if (turn === 1) throw new Error('connection reset');
          if (turn === 3) throw new RetinaError('RETINA_EXPORT_REFUSED', 'no');
          const again = turn === 2 ? packets(batch).flatMap((_, row) => (row % 3 === 0 ? [row] : [])) : [];
          for (const [row, id] of packets(batch).entries()) {
            if (!again.includes(row)) got.set(id, (got.get(id) ?? 0) + 1);
          }
          return { retry: again, refused: turn === 4 ? 1 : 0, cause: 'busy' };
        },
      },
      { batch: 100, giveUpMs: 25_000, queueBytes: 1 << 24 },
    );
    for (let first = 0; first < 5000; first += 250) driver.flows(batchOf(250, first));
    await driver.stop(25_000);
    expect(accounted()).toBe(5000);
    expect([...got.values()].every((times) => times === 1)).toBe(true);
    expect(counts.delivered + counts.refused).toBe(5000);
    expect(got.size).toBeGreaterThanOrEqual(counts.delivered);
    expect(counts.refused).toBeGreaterThan(100);
    expect(counts.gave_up + counts.shutdown + counts.queue_full).toBe(0);
  });

  test('are kept or counted with a receiver that never answers; its calls do not pile up', async () => {
    const run = drive({ flows: hang });
    for (let n = 0; n < 10; n++) run.driver.flows(batchOf(1000));
    expect(run.counts.queue_full).toBe(10_000 - 4096);
    expect(run.driver.queue.bytes).toBeLessThanOrEqual(LIMITS.queueBytes);
    await until(() => run.counts.gave_up >= 1024, 'a batch is given up');
    expect(run.states[0]).toBe('RETINA_EXPORT_FAILED');
    await until(() => run.stuck.length > 0, 'it is said that it hangs');
    await run.driver.stop(50);
    expect(run.accounted()).toBe(10_000);
    expect(run.driver.queue.length).toBe(0);
  });

  test('what is refused for good is not sent again, and what follows it is sent at once', async () => {
    let calls = 0;
    const run = drive(
      {
        flows() {
          if (++calls === 1) throw new RetinaError('RETINA_EXPORT_REFUSED', 'status 400');
        },
      },
      { retryMs: 60_000, retryMaxMs: 60_000, batch: 10 },
    );
    run.driver.flows(batchOf(20));
    await until(() => run.accounted() === 20, 'both batches are dealt with');
    expect(calls).toBe(2);
    expect(run.counts).toMatchObject({ refused: 10, delivered: 10 });
    expect(run.states).toEqual(['RETINA_EXPORT_REFUSED']); // it is not well again after one that went through
    await run.driver.stop(100);
  });

  test('Retry-After is waited for; a stop does not wait for it', async () => {
    let calls = 0;
    const run = drive(
      {
        flows() {
          if (++calls === 1)
            throw new RetinaError('RETINA_EXPORT_RETRY', 'busy', { retryable: true, retryAfterMs: 3_600_000 });
        },
      },
      { giveUpMs: 1e9 },
    );
    run.driver.flows(batchOf(2000));
    await until(() => calls === 1, 'the first call');
    await sleep(30);
    expect(calls).toBe(1);
    await run.driver.stop(1000);
    expect(run.counts.delivered).toBe(2000);
  });

  test('a dead receiver sees few calls however much waits, and one that is back gets what is left', async () => {
    let dead = true;
    let calls = 0;
    const run = drive(
      {
        flows() {
          calls++;
          if (dead) throw new Error('ECONNREFUSED');
        },
      },
      { batch: 10, retryMs: 1, retryMaxMs: 40, giveUpMs: 1, queueBytes: 1 << 20 },
    );
    run.driver.flows(batchOf(1000));
    await until(() => run.circuit.length > 0, 'the circuit opens');
    await sleep(200);
    expect(calls).toBeLessThan(30); // of a hundred batches
    dead = false;
    await until(() => run.circuit.at(-1) === false, 'the circuit closes');
    await run.driver.stop(1000);
    expect(run.accounted()).toBe(1000);
    expect(run.counts.delivered).toBeGreaterThan(500);
    expect(run.states.at(-1)).toBeUndefined();
  });

  test('a receiver that is away is said to be once calls pause, long before a batch of its is given up', async () => {
    let away = true;
    const run = drive(
      {
        flows() {
          if (away) throw new Error('ECONNREFUSED');
        },
      },
      { giveUpMs: 3_600_000 },
    );
    run.driver.flows(batchOf(10));
    await until(() => run.states.length > 0, 'it is said');
    expect(run.states).toEqual(['RETINA_EXPORT_FAILED']);
    expect(run.counts.gave_up).toBe(0);
    away = false;
    await until(() => run.counts.delivered === 10, 'it gets them');
    expect(run.states.at(-1)).toBeUndefined();
    await run.driver.stop(100);
  });

  test('numbers that cannot be true change nothing that is counted', async () => {
    const lies = [{ refused: 1e9 }, { refused: -5 }, { refused: NaN }, { retry: [99, -1, 0.5, 'x'] }, { retry: 'all' }];
    let n = 0;
    const run = drive({ flows: () => lies[n++ % lies.length] as never }, { batch: 10 });
    run.driver.flows(batchOf(50));
    await run.driver.stop(1000);
    expect(run.accounted()).toBe(50);
    expect(run.counts).toMatchObject({ refused: 10, delivered: 40 });
  });
});

describe('the end', () => {
  test('comes in time whatever the receiver does, the rest counted', async () => {
    const run = drive({ flows: hang, metrics: hang, flush: hang }, { timeoutMs: 60_000 });
    run.driver.flows(batchOf(3000));
    await run.driver.stop(100);
    expect(run.counts.shutdown).toBe(3000);
  });

  test('does not wait for a receiver that is not there', async () => {
    let calls = 0;
    const away = () => {
      calls++;
      throw new Error('ECONNREFUSED');
    };
    const run = drive({ flows: away, metrics: async () => away() }, { retryMaxMs: 60_000, giveUpMs: 60_000 });
    run.driver.flows(batchOf(3000));
    await run.driver.stop(3_600_000);
    expect(run.counts.shutdown).toBe(3000);
    expect(calls).toBeLessThan(15);
  });

  test("a flush that fails when nobody waits for it any more is nobody else's concern", async () => {
    const stray: unknown[] = [];
    const note = (reason: unknown) => void stray.push(reason);
    process.on('unhandledRejection', note);
    const { driver } = drive({
      flows: hang,
      flush: () => sleep(5).then(() => Promise.reject(new Error('too late'))),
    });
    driver.flows(batchOf(10));
    await driver.stop(10);
    await sleep(20);
    process.off('unhandledRejection', note);
    expect(stray).toEqual([]);
  });
});

describe('metrics', () => {
  test('are pushed anew after a failure, never twice at a time, and refused points are counted', async () => {
    let calls = 0;
    let running = 0;
    let most = 0;
    const run = drive({
      async metrics() {
        most = Math.max(most, ++running);
        await sleep(2);
        running--;
        if (++calls % 2) throw new Error('reset');
        return { refused: 7 };
      },
    });
    await until(() => run.counts.points >= 14, 'two pushes that arrive in part');
    await run.driver.stop(1000);
    expect(most).toBe(1);
    expect(run.states[0]).toBe('RETINA_EXPORT_REFUSED');
  });
});
