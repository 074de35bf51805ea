import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defineLayout, recordBatch } from './layout.ts';

const layout = defineLayout({
  name: 'record',
  stride: 48,
  fields: {
    address: { offset: 0, type: 'bytes', size: 16 },
    count: { offset: 16, type: 'u64', size: 8 },
    balance: { offset: 24, type: 's64', size: 8 },
    ifindex: { offset: 32, type: 'u32', size: 4 },
    error: { offset: 36, type: 's32', size: 4 },
    port: { offset: 40, type: 'u16', size: 2 },
    kind: { offset: 42, type: 'u8', size: 1 },
  },
});

test('every type is read as it was written, at any place in memory', () => {
  const record = fc.record({
    address: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    count: fc.nat(Number.MAX_SAFE_INTEGER),
    balance: fc.maxSafeInteger(),
    ifindex: fc.nat(4_294_967_295),
    error: fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
    port: fc.nat(65_535),
    kind: fc.nat(255),
  });
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(9), (records, shift) => {
      const buffer = new Uint8Array(new ArrayBuffer(records.length * 48 + shift), shift);
      const view = new DataView(buffer.buffer, shift);
      records.forEach((one, row) => {
        const at = row * 48;
        buffer.set(one.address, at);
        view.setBigUint64(at + 16, BigInt(one.count), true);
        view.setBigInt64(at + 24, BigInt(one.balance), true);
        view.setUint32(at + 32, one.ifindex, true);
        view.setInt32(at + 36, one.error, true);
        view.setUint16(at + 40, one.port, true);
        view.setUint8(at + 42, one.kind);
      });
      const batch = recordBatch(layout, buffer, records.length);
      const { col } = batch;
      expect(batch.length).toBe(records.length);
      records.forEach((one, row) => {
        const { address, ...scalars } = one;
        expect(batch.bytes('address', row)).toEqual(address);
        for (const [field, value] of Object.entries(scalars))
          expect(col[field as keyof typeof scalars](row)).toBe(value);
      });
    }),
  );
});
