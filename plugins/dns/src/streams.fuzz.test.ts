import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { message, prefixed } from '../test/build.ts';
import { streams } from '../test/streams.ts';

const SECONDS = Number(process.env['RETINA_FUZZ_SECONDS'] ?? 2);
const query = (name: string) => prefixed(message({ name }));

describe('streams of any segments', () => {
  it('never throw, and stay within their bounds', { timeout: SECONDS * 1000 + 60_000 }, () => {
    const segment = fc.record({
      sequence: fc.oneof(fc.nat(300), fc.nat(0xffffffff)), flags: fc.nat(255), port: fc.nat(5), copied: fc.nat(64), now: fc.nat(300_000),
      bytes: fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(query('a'), query('b').subarray(0, 9))),
    }); // prettier-ignore
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 60 }), (segments) => {
        const one = streams({ max: 16 });
        for (const { sequence, bytes, ...rest } of segments) {
          one.send(sequence, bytes, rest);
          if (rest.now % 7 === 0) one.made.sweep(rest.now);
          expect(one.made.held).toBeGreaterThanOrEqual(0);
        }
        one.made.sweep(1e9);
        one.made.sweep(2e9);
        expect([one.made.held, one.made.size]).toEqual([0, 0]);
        for (const bytes of Object.values(one.made.dropped)) expect(bytes).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false },
    );
  });
});
