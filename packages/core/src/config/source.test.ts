import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ConfigText } from './source.ts';

/** More than what is read without a syntax tree. */
const LONG = `# ${'x'.repeat(70_000)}\n`;

describe('a large text', () => {
  it('says what a small one says', () => {
    const scalar = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null));
    const odd = fc.constantFrom('0o17', '0x1f', '1e3', '~', 'yes', 'on', '2026-11-21', '<<', '1_000', '.inf', 'TRUE', '"a"', "'b'", '+1', '012'); // prettier-ignore
    const value = fc.oneof(scalar, odd, fc.array(scalar, { maxLength: 3 }), fc.dictionary(fc.string(), scalar, { maxKeys: 3 })); // prettier-ignore
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value), fc.array(odd), (object, plain) => {
        const text = stringify(object) + plain.map((word, i) => `plain${i}: ${word}\n`).join('');
        const [small, large] = [new ConfigText(text), new ConfigText(LONG + text)];
        expect(large.problems.length).toBe(small.problems.length);
        expect(large.value).toEqual(small.value);
      }),
      { numRuns: 300 },
    );
  });

  it('says where something stands, and what is no YAML', () => {
    const right = new ConfigText(`${LONG}a:\n  - b: 1\n`);
    expect([right.problems, right.where(['a', 0, 'b'])]).toEqual([[], { path: 'a[0].b', line: 3, column: 8 }]);
    for (const wrong of ['a: [1', 'a: 1\na: 2', 'a: *b', '- 1', '%', '"x'])
      expect(new ConfigText(LONG + wrong).problems, wrong).toMatchObject([{ line: expect.any(Number) as number }]);
  });

  it('has aliases, but not without bound', () => {
    expect(new ConfigText(`${LONG}a: &x [1]\nb: *x\n`).value).toEqual({ a: [1], b: [1] });
    const doubled = Array.from({ length: 30 }, (_, i) => `k${i + 1}: &k${i + 1} [*k${i}, *k${i}]\n`).join('');
    expect(new ConfigText(`${LONG}k0: &k0 [1]\n${doubled}`).problems).toMatchObject([
      { message: expect.stringMatching(/alias/i) as string },
    ]);
  });
});
