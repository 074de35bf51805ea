import { FLOW_STRIDE, FlowWriter, type FlowDetails } from '@retina/sdk';
import { expect, test } from 'vitest';
import { FlowQueue, rowsOf } from './flow-queue.ts';

function batchOf(records: number, details?: FlowDetails) {
  const writer = new FlowWriter(records);
  for (let n = 0; n < records; n++) writer.add({ packets: n }, details);
  return writer.batch();
}

const packets = (batch: { length: number; packets(row: number): number }) =>
  Array.from({ length: batch.length }, (_, row) => batch.packets(row));

test('memory is bounded by bytes, those of batches on their way and of what hangs off records included', () => {
  const slab = 10 * FLOW_STRIDE;
  const queue = new FlowQueue(3 * slab, 10);
  expect(queue.push(batchOf(35))).toBe(5);
  const taken = queue.take()!;
  expect([queue.length, queue.bytes]).toEqual([20, 3 * slab]);
  expect(queue.push(batchOf(1))).toBe(1); // the one on its way still counts
  queue.release(taken, true);
  expect(queue.push(batchOf(10))).toBe(0);
  expect(queue.bytes).toBe(3 * slab);

  const heavy = new FlowQueue(100 * slab, 10);
  const dns = { id: 1, response: false, query: 'q'.repeat(10_000), queryType: 'A' };
  expect(heavy.push(batchOf(50, { dns }))).toBeGreaterThan(20);
  expect(heavy.bytes).toBeLessThan(100 * slab + 25_000);
  for (let batch = heavy.take(); batch; batch = heavy.take()) heavy.release(batch, false);
  expect([heavy.bytes, heavy.length]).toEqual([0, 0]);
});

test('rows come alone where a consumer wants only those, and are given again with what hangs off them', () => {
  const queue = new FlowQueue(1 << 20, 4);
  queue.push(batchOf(6, { reason: 'r' }), Uint32Array.of(1, 3, 5));
  const batch = queue.take()!;
  expect(packets(batch)).toEqual([1, 3, 5]);
  const again = rowsOf(batch, [0, 2]);
  expect(packets(again)).toEqual([1, 5]);
  expect(again.details(1)).toEqual({ reason: 'r' });
});
