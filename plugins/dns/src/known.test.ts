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
    expect(known.find(print)).toBe(-1);
    const kept = { ...noFacts(), truncated: true, question: -5, type: 1, query: 4_000_000_000, count: 9 };
    const place = known.keep(print, kept);
    const facts = noFacts();
    known.read(place, facts);
    expect(facts).toEqual(kept);
    const another = printOf(message({ id: 60_000, name: 'shop.example.com' }));
    expect(known.find(another)).toBe(place);
    for (let i = 2; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i]! ^= 1;
      expect(known.find(printOf(changed))).toBe(-1);
    }
    expect(known.find(printOf(bytes, 0, bytes.length - 1))).toBe(-1);
    expect(known.find(printOf(new Uint8Array([...bytes, 0])))).toBe(-1);
  });

  it('stay known beside a thousand others, and give way one by one where there are too many', () => {
    const known = new Known();
    const prints = Array.from({ length: 20_000 }, (_, i) => printOf(message({ id: i, name: `host-${i}.example.com` })));
    const fresh = (some: readonly Print[]) => {
      let count = 0;
      for (const print of some) {
        if (known.find(print) >= 0) continue;
        known.keep(print, noFacts());
        count++;
      }
      return count;
    };
    const few = prints.slice(0, 1000);
    expect(fresh(few)).toBe(1000);
    for (let round = 0; round < 5; round++) fresh(few);
    expect(fresh(few)).toBeLessThan(100); // a fifth of them would be new each time with one place for each
    expect(fresh(prints)).toBeGreaterThan(15_000);
    expect(known.find(prints.at(-1)!)).toBeGreaterThanOrEqual(0);
  });

  it('stay known where they differ in one byte alone, wherever it stands', () => {
    const known = new Known();
    const bytes = message({ id: 7, name: 'shop.example.com', response: true });
    for (let at = 12; at < bytes.length; at++) {
      let fresh = 0;
      for (let round = 0; round < 4; round++) {
        for (let value = 0; value < 256; value += 4) {
          const changed = bytes.slice();
          changed[at] = value;
          const print = printOf(changed);
          if (known.find(print) >= 0) continue;
          known.keep(print, noFacts());
          fresh++;
        }
      }
      expect(fresh, `byte ${at}`).toBeLessThan(64 + 16); // each once, and few that drove each other out
    }
  });

  it('are not kept where they are long', () => {
    const known = new Known();
    const place = (length: number) => known.keep(printOf(new Uint8Array(length)), noFacts());
    expect([place(192) >= 0, place(193), place(2)]).toEqual([true, -1, -1]);
  });
});
