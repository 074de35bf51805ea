import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FLOW_OFFSETS, FLOW_STRIDE } from './flow.ts';
import { FlowWriter, type FlowValues } from './flow-writer.ts';

const u8 = fc.nat(255);
const u16 = fc.nat(65_535);
const u32 = fc.nat(4_294_967_295);
const f64 = fc.nat(Number.MAX_SAFE_INTEGER);
const address = fc.uint8Array({ minLength: 16, maxLength: 16 });

/** Every field, so that one written over another is seen. */
const values: fc.Arbitrary<Required<FlowValues>> = fc.record({
  sourceAddress: address, destinationAddress: address, firstSeen: f64, start: f64, end: f64, bytes: f64, packets: f64,
  flagCounts: fc.array(u32, { minLength: 10, maxLength: 10 }), flowId: u32, ifindex: u32, netns: u32, rttMicros: u32,
  retransmits: u32, dropReason: u32, dropLocation: u32, sourceEndpoint: u32, destinationEndpoint: u32, tapEndpoint: u32,
  connectionId: u32, minRttMicros: u32, setupMicros: u32, sampling: u32.filter((n) => n > 0), sourcePort: u16, destinationPort: u16, tcpFlags: u16, protocol: u8,
  family: u8, direction: u8, observation: u8, isReply: u8, verdict: u8, event: u8, icmpType: u8, icmpCode: u8, fresh: u8,
}); // prettier-ignore

test('what is written into a record is what is read from it, field by field, row by row', () => {
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (rows) => {
      const writer = new FlowWriter(rows.length);
      for (const row of rows) expect(writer.add(row)).toBe(true);
      expect(writer.add(rows[0]!)).toBe(false);
      const batch = writer.batch();
      expect(batch.length).toBe(rows.length);
      rows.forEach((row, i) => {
        const { flagCounts, ...others } = row;
        flagCounts.forEach((count, flag) => expect(batch.flagCount(i, flag)).toBe(count));
        for (const [field, value] of Object.entries(others)) {
          expect([field, batch[field as keyof typeof others](i)]).toEqual([field, value]);
        }
        const word = (bytes: Uint8Array, w: number) =>
          new DataView(bytes.buffer, bytes.byteOffset).getUint32(4 * w, true);
        for (let w = 0; w < 4; w++) {
          expect(batch.sourceWord(i, w)).toBe(word(row.sourceAddress, w));
          expect(batch.destinationWord(i, w)).toBe(word(row.destinationAddress, w));
        }
      });
    }),
  );
});

test('a cleared writer leaves nothing of the record before', () => {
  const writer = new FlowWriter(1);
  writer.add({ packets: 1, protocol: 6, flagCounts: [1, 2, 3] });
  writer.clear();
  writer.add({});
  expect([...writer.batch().buffer].every((byte) => byte === 0)).toBe(true);
  expect(writer.batch().sampling(0)).toBe(1);
});

test('fields do not overlap and fit the stride, each on its own boundary', () => {
  const sizes: Record<string, number> = { sourceAddress: 16, destinationAddress: 16, flagCounts: 40 };
  const end = {
    firstSeen: 8,
    start: 8,
    end: 8,
    bytes: 8,
    packets: 8,
    sourcePort: 2,
    destinationPort: 2,
    tcpFlags: 2,
  } as const;
  const one = [
    'protocol',
    'family',
    'direction',
    'observation',
    'isReply',
    'verdict',
    'event',
    'icmpType',
    'icmpCode',
    'fresh',
  ];
  const size = (name: string) => sizes[name] ?? end[name as keyof typeof end] ?? (one.includes(name) ? 1 : 4);
  const fields = Object.entries(FLOW_OFFSETS).sort(([, a], [, b]) => a - b);
  let at = 0;
  for (const [name, offset] of fields) {
    expect([name, offset >= at]).toEqual([name, true]);
    expect([name, offset % Math.min(8, name === 'flagCounts' ? 4 : size(name))]).toEqual([name, 0]);
    at = offset + size(name);
  }
  expect(at).toBeLessThanOrEqual(FLOW_STRIDE);
  expect(FLOW_STRIDE % 8).toBe(0);
});
