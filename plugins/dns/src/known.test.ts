import { describe, expect, it } from 'vitest';
import { message } from '../test/build.ts';
import { Known, noFacts } from './known.ts';
import { Print } from './print.ts';

const printOf = (bytes: Uint8Array, from = 0, end = bytes.length) => {
  const print = new Print();
  print.take(bytes, from, end);
  return print;
};

describe('a print', () => {
  it('is the same wherever the message lies, and whatever is behind it', () => {
    const bytes = message({ id: 0x1234, name: 'shop.example.com' });
    const plain = printOf(bytes);
    expect(plain.id).toBe(0x1234);
    for (let at = 0; at < 9; at++) {
      const slab = new Uint8Array(bytes.length + 20).fill(0xee);
      slab.set(bytes, at);
      const { first, second, words, length } = printOf(slab, at, at + bytes.length);
      expect([first, second]).toEqual([plain.first, plain.second]);
      expect(words.subarray(0, length)).toEqual(plain.words.subarray(0, plain.length));
    }
  });

  it('survives messages of any length', () => {
    for (let length = 0; length < 1500; length++) {
      const print = printOf(new Uint8Array(length).fill(1));
      expect(print.size).toBe(length);
      expect(print.length).toBe(Math.ceil(Math.min(length, 512) / 4));
    }
  });
});

describe('messages seen before', () => {
  it('are known by every byte but those of the id', () => {
    const known = new Known();
    const bytes = message({ id: 7, name: 'shop.example.com' });
    const print = printOf(bytes);
    const place = known.place(print);
    expect(known.holds(place, print)).toBe(false);
    known.keep(place, print, { ...noFacts(), truncated: true, question: -5, type: 1, query: 4_000_000_000, count: 9 });
    const facts = noFacts();
    known.read(place, facts);
    expect(facts).toEqual({ ...noFacts(), truncated: true, question: -5, type: 1, query: 4_000_000_000, count: 9 });
    const another = printOf(message({ id: 60_000, name: 'shop.example.com' }));
    expect(known.place(another)).toBe(place);
    expect(known.holds(place, another)).toBe(true);
    for (let i = 2; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i]! ^= 1;
      expect(known.holds(place, printOf(changed))).toBe(false);
    }
    expect(known.holds(place, printOf(bytes, 0, bytes.length - 1))).toBe(false);
    expect(known.holds(place, printOf(new Uint8Array([...bytes, 0])))).toBe(false);
  });

  it('are not kept where they are long', () => {
    const known = new Known();
    const place = (length: number) => known.place(printOf(new Uint8Array(length)));
    expect([place(192) >= 0, place(193), place(2)]).toEqual([true, -1, -1]);
  });
});
