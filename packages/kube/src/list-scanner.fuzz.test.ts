import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ListScanner } from './list-scanner.ts';

const seconds = Number(process.env.RETINA_FUZZ_SECONDS ?? 2);
const limits = { numRuns: 1_000_000, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false };

/** `bytes` in pieces that end at `cuts`. */
function scan(bytes: Buffer, cuts: readonly number[], maxItemBytes = 1 << 20) {
  const scanner = new ListScanner(maxItemBytes);
  const items: string[] = [];
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    items.push(...scanner.push(bytes.subarray(start, end)));
    start = end;
  }
  return { items, end: () => scanner.end() };
}

const text = fc.oneof(
  fc.constantFrom('"items"', 'items', '\\"', '[{', '}]', '\\', '€😀'),
  fc.string({ unit: 'binary' }),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1.5e3),
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  ),
}));
const item = fc.dictionary(text, value, { maxKeys: 5 });
const cuts = fc.array(fc.nat(5000), { maxLength: 20 });

it('cuts any list into its items, wherever the pieces end and whatever is around', () => {
  const around = fc.dictionary(text, value, { maxKeys: 3 });
  fc.assert(
    fc.property(
      around,
      fc.array(item, { maxLength: 6 }),
      around,
      cuts,
      fc.nat(2),
      (before, items, after, at, spaces) => {
        const { items: _1, ...head } = before;
        const { items: _2, ...tail } = after;
        const list = { ...head, items, ...tail };
        const { items: texts, end } = scan(Buffer.from(JSON.stringify(list, undefined, spaces)), at);
        expect(texts.map((one) => JSON.parse(one) as unknown)).toEqual(JSON.parse(JSON.stringify(items)));
        expect(end()).toEqual(JSON.parse(JSON.stringify({ ...list, items: [] })));
      },
    ),
    limits,
  );
}, 600_000);

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (bytes, at) => {
      const { end } = scan(Buffer.from(bytes), at);
      try {
        end();
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }),
    limits,
  );
}, 600_000);

it('refuses an object without end', () => {
  const bytes = Buffer.from(`{"items":[{"a":"${'x'.repeat(5000)}"}]}`);
  expect(() => scan(bytes, [1000, 2000, 3000], 1500)).toThrow(RangeError);
});
