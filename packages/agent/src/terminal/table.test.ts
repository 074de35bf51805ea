import { describe, expect, it } from 'vitest';
import { table, type Column } from './table.ts';
import { bytes, clean, count, duration } from './text.ts';

interface Row {
  readonly name: string;
  readonly n: number;
}
const columns: readonly Column<Row>[] = [
  { title: 'NAME', value: (r) => r.name, shrinkTo: 8 },
  { title: 'N', value: (r) => r.n, align: 'right' },
];

describe('table', () => {
  it('aligns as kubectl does, numbers to the right', () => {
    expect(
      table(columns, [
        { name: 'demo/client', n: 7 },
        { name: 'eth0', n: 1200 },
      ]),
    ).toEqual(['NAME             N', 'demo/client      7', 'eth0          1200']);
  });

  it('cuts only shrinkable columns, and only when told a width', () => {
    const long = { name: 'a-very-long-name-of-a-pod', n: 123456 };
    expect(table(columns, [long], { width: 20 })[1]).toBe('a-very-lon…   123456');
    expect(table(columns, [long])[1]).toBe('a-very-long-name-of-a-pod   123456');
  });

  it('lets no control character of a name reach the terminal', () => {
    const [, row] = table(columns, [{ name: 'pod\u001b[2J\u009b1\u202e', n: 1 }]);
    expect(row).toBe('pod?[2J?1?   1');
  });
});

describe('units', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.7, '1.0 kB'],
    [1536, '1.5 kB'],
    [99_960, '100 kB'],
    [123_456_789, '123 MB'],
  ])('bytes(%d) is %s', (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [5, '5'],
    [0.25, '0.3'],
    [12_345, '12.3 k'],
    [3_000_000, '3.0 M'],
  ])('count(%d) is %s', (value, text) => expect(count(value)).toBe(text));

  it.each([
    [59, '59s'],
    [130, '2m10s'],
    [3600, '1h'],
    [5400, '1h30m'],
    [180_000, '2d2h'],
  ])('duration(%d) is %s', (value, text) => expect(duration(value)).toBe(text));

  it('keeps ordinary text', () => expect(clean('demo/client → ü')).toBe('demo/client → ü'));
});
