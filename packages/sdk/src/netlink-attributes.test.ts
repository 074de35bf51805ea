import { describe, expect, it } from 'vitest';
import { attribute, eachAttribute } from './netlink-attributes.ts';

function read(bytes: Uint8Array, from = 0): [sound: boolean, found: [type: number, value: number[]][]] {
  const found: [number, number[]][] = [];
  const sound = eachAttribute(bytes, from, bytes.length, (type, at, to) =>
    found.push([type, [...bytes.slice(at, to)]]),
  );
  return [sound, found];
}

describe('netlink attributes', () => {
  it('are read as they were written, nested ones by another call', () => {
    const inner = attribute(3, Uint8Array.of(1, 2, 3));
    const bytes = Uint8Array.from([...attribute(1, Uint8Array.of(9)), ...attribute(2, [inner, inner])]);
    const [sound, found] = read(bytes);
    expect(sound).toBe(true);
    expect(found.map(([type]) => type)).toEqual([1, 2]);
    expect(found[0]![1]).toEqual([9]);
    expect(read(Uint8Array.from(found[1]![1]))[1]).toEqual([
      [3, [1, 2, 3]],
      [3, [1, 2, 3]],
    ]);
  });

  it.each([
    ['a length below the header’s', [3, 0, 1, 0]],
    ['a length beyond the end', [9, 0, 1, 0, 1, 2, 3, 4]],
    ['half a header', [5, 0]],
  ])('stop at %s, and say so', (_, bad) => {
    const [sound, found] = read(Uint8Array.from([...attribute(7, Uint8Array.of(1)), ...bad]));
    expect(sound).toBe(false);
    expect(found).toEqual([[7, [1]]]);
  });

  it('take an end without padding, as kernels send it', () => {
    expect(read(Uint8Array.of(5, 0, 1, 0, 42))).toEqual([true, [[1, [42]]]]);
  });
});
