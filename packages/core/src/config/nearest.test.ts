import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearest } from './nearest.ts';

const word = fc.string({ minLength: 4, maxLength: 20, unit: fc.constantFrom(...'abcdefghijklmnop') });

test('one edit of a key leads back to it', () => {
  const edit = fc.record({ at: fc.nat(), kind: fc.constantFrom('drop', 'double', 'swap', 'replace') });
  fc.assert(
    fc.property(word, edit, (key, { at, kind }) => {
      const i = at % (key.length - 1);
      const edited = {
        drop: key.slice(0, i) + key.slice(i + 1),
        double: key.slice(0, i) + key[i] + key.slice(i),
        swap: key.slice(0, i) + key[i + 1] + key[i] + key.slice(i + 2),
        replace: `${key.slice(0, i)}z${key.slice(i + 1)}`,
      }[kind];
      expect(editDistance(edited, key)).toBeLessThanOrEqual(1);
      expect(nearest(edited, ['ZZZZZZZZZZZZZZZZZZZZZZZZZZZZ', key.toUpperCase()])).toBe(key.toUpperCase());
    }),
  );
});

test('the suggestion is a candidate, and no other candidate is nearer', () => {
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 8 }), (text, candidates) => {
      const found = nearest(text, candidates);
      const best = Math.min(Infinity, ...candidates.map((one) => editDistance(text, one)));
      if (found === undefined) expect(best).toBeGreaterThan(Math.max(2, Math.floor(text.length / 3)));
      else expect(editDistance(text, found)).toBe(best);
    }),
  );
});
