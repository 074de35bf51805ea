import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeriesTable } from './series-table.ts';

describe('SeriesTable', () => {
  it.each([0, 1, 2, 3, 5])('behaves as a map from tuples of %i to stable rows', (width) => {
    const word = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(0xffffffff, 0x80000000, 65_536));
    const tuple = fc.array(word, { minLength: width, maxLength: width });
    const step = fc.record({ tuple, remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new SeriesTable(width);
        const model = new Map<string, number>();
        for (const { tuple, remove } of steps) {
          const key = tuple.join();
          const row = table.find(tuple);
          expect(row).toBe(model.get(key) ?? -1);
          if (remove && row >= 0) {
            table.remove(row);
            model.delete(key);
          } else if (!remove && row < 0) {
            const fresh = table.insert(tuple);
            expect([...model.values()]).not.toContain(fresh);
            expect(fresh).toBeLessThan(table.capacity);
            model.set(key, fresh);
          }
        }
        expect(table.count).toBe(model.size);
        for (const [key, row] of model) {
          const parts = key === '' ? [] : key.split(',').map(Number);
          expect(table.has(row)).toBe(true);
          parts.forEach((part, i) => expect(table.key(row, i)).toBe(part));
          if (width === 1) expect(table.find1(parts[0]!)).toBe(row);
          if (width === 2) expect(table.find2(parts[0]!, parts[1]!)).toBe(row);
          if (width === 3) expect(table.find3(parts[0]!, parts[1]!, parts[2]!)).toBe(row);
        }
      }),
    );
  });
});
