import { setTimeout as sleep } from 'node:timers/promises';
import { FlowWriter, RetinaError, type FlowBatch, type Sink } from '@retina/sdk';
import { describe, expect, test } from 'vitest';
import { PushDriver, type PushLimits } from './push.ts';
import { exporter, memoryLogger, plugin, sample, startHost, until } from './testing.ts';

const LIMITS: PushLimits = { intervalMs: 20, batchMs: 5, timeoutMs: 50, attempts: 3, retryMs: 1, queue: 4096 };

function batchOf(records: number, first = 0): FlowBatch {
  const writer = new FlowWriter(records);
  for (let n = 0; n < records; n++) writer.add({ packets: first + n });
  return writer.batch();
}

function drive(sink: Sink, limits: Partial<PushLimits> = {}) {
  const lost = { export_queue: 0, export: 0 };
  const states: (string | undefined)[] = [];
  const driver = new PushDriver(sink, { families: () => [] }, { ...LIMITS, ...limits }, memoryLogger(), {
    lost: (stage, records) => (lost[stage] += records),
    state: (cause) => states.push(cause?.message),
  });
  return { driver, lost, states };
}

describe('flows', () => {
  test('arrive in order, in batches, copied, whatever the source does with its batch afterwards', async () => {
    const seen: number[] = [];
    const sizes: number[] = [];
    const { driver, lost } = drive({
      async flows(batch) {
        await sleep(1);
        sizes.push(batch.length);
        for (let row = 0; row < batch.length; row++) seen.push(batch.packets(row));
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
    expect(lost).toEqual({ export_queue: 0, export: 0 });
  });

  test('kept + lost is what came, with a receiver that never answers', async () => {
    let delivered = 0;
    let hang = true;
    const { driver, lost, states } = drive({
      flows(batch) {
        if (hang) return new Promise<void>(() => undefined);
        delivered += batch.length;
      },
    });
    for (let n = 0; n < 10; n++) driver.flows(batchOf(1000));
    expect(lost.export_queue).toBeGreaterThanOrEqual(10_000 - LIMITS.queue - 2048);
    await until(() => lost.export > 0, 'a batch is given up after its attempts');
    expect(states.at(-1)).toContain('in 3 attempts');
    hang = false;
    await driver.stop(1000);
    expect(delivered + lost.export_queue + lost.export).toBe(10_000);
    expect(states.at(-1)).toBeUndefined();
  });

  test('a stop in time whatever the receiver does, the rest counted', async () => {
    const { driver, lost } = drive({ flows: () => new Promise<void>(() => undefined) }, { timeoutMs: 60_000 });
    driver.flows(batchOf(100));
    const began = performance.now();
    await driver.stop(100);
    expect(performance.now() - began).toBeLessThan(200);
    expect(lost.export).toBe(100);
  });

  test("a flush that fails when nobody waits for it any more is nobody else's concern", async () => {
    const stray: unknown[] = [];
    const note = (reason: unknown) => void stray.push(reason);
    process.on('unhandledRejection', note);
    const { driver } = drive({
      flows: () => new Promise<void>(() => undefined),
      flush: () => sleep(5).then(() => Promise.reject(new Error('too late'))),
    });
    driver.flows(batchOf(10));
    await driver.stop(10);
    await sleep(20);
    process.off('unhandledRejection', note);
    expect(stray).toEqual([]);
  });

  test('what will not be accepted is not tried again', async () => {
    let tries = 0;
    const { driver, lost } = drive({
      flows() {
        tries++;
        throw new RetinaError('RETINA_EXPORT_FAILED', 'refused for good');
      },
    });
    driver.flows(batchOf(10));
    await until(() => lost.export === 10, 'given up');
    expect(tries).toBe(1);
    await driver.stop(100);
  });
});

test('an exporter pushes at the interval, retries, degrades while it fails, and has the last word at the end', async () => {
  let fail = false;
  let pushes = 0;
  const last: string[] = [];
  const push = exporter('push', {
    setup: () => ({
      async metrics(reader) {
        if (fail) throw new RetinaError('RETINA_EXPORT_FAILED', 'receiver away');
        pushes++;
        last.push(String(sample(reader, 'networkobservability_work_total')));
      },
      async flush() {
        last.push('flushed');
      },
    }),
  });
  let total = 0;
  const work = plugin('work', {
    metrics: { work_total: { kind: 'counter', help: 'Work.' } },
    setup: (ctx) => {
      ctx.every(1, () => ctx.metrics.work_total.set(++total));
      ctx.defer(() => ctx.metrics.work_total.set((total = 1_000_000)));
    },
  });
  const host = await startHost([push, work], {
    yaml: 'plugins: {work: {}}\nexporters: {push: {}}\nmetricsIntervalDuration: 100ms',
  });
  await until(() => pushes >= 2, 'two pushes');
  const state = () => host.health().components.find(({ name }) => name === 'push')!;
  fail = true;
  await until(() => state().state === 'degraded', 'degraded');
  expect(state().causes[0]!.code).toBe('RETINA_EXPORT_FAILED');
  fail = false;
  await until(() => state().state === 'running', 'running again');
  await host.stop();
  expect(last.slice(-2)).toEqual(['1000000', 'flushed']);
});
