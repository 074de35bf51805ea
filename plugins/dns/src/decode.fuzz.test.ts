import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { message } from '../test/build.ts';
import { decode, FLAWS, MAX_ADDRESSES, Message } from './decode.ts';
import { Arena } from './details.ts';
import { MAX_NAME, nameText } from './names.ts';

/** Seconds of random input per parser; RETINA_FUZZ_SECONDS makes it longer. */
const SECONDS = Number(process.env['RETINA_FUZZ_SECONDS'] ?? 2);
const forSeconds = {
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: SECONDS * 1000,
  markInterruptAsFailure: false,
};

const anyBytes = fc.uint8Array({ maxLength: 2048 });
/** Bytes that lead deep: lengths, pointers near by, small numbers. */
const likely = fc.array(fc.oneof(fc.constantFrom(0, 1, 2, 5, 12, 28, 41, 63, 64, 0x80, 0xc0, 0xff), fc.nat(255)), {
  maxLength: 600,
});
const header = fc.tuple(
  fc.nat(0xffff),
  fc.boolean(),
  fc.nat(15),
  fc.tuple(fc.nat(3), fc.nat(0xffff), fc.nat(20), fc.nat(20)),
);
const almost = fc
  .tuple(header, likely)
  .map(([[id, response, code, counts], body]) =>
    Uint8Array.from([...message({ id, response, code, counts }), ...body]),
  );
/** A right message with some bytes changed, cut anywhere. */
const changed = fc
  .tuple(
    fc.record({ id: fc.nat(0xffff), name: fc.constantFrom('a.example', 'x'.repeat(60)), response: fc.boolean() }),
    fc.array(fc.record({ type: fc.constantFrom(1, 5, 28, 41, 16), data: fc.uint8Array({ maxLength: 40 }) }), {
      maxLength: 8,
    }),
    fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 8 }),
    fc.nat(600),
  )
  .map(([spec, answers, changes, length]) => {
    const bytes = message({ ...spec, answers });
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    return bytes.slice(0, length);
  });

describe('decode on any bytes', () => {
  it('never throws, and stays within the message and its bounds', { timeout: SECONDS * 1000 + 60_000 }, () => {
    const into = new Message();
    fc.assert(
      fc.property(fc.oneof(anyBytes, almost, changed), fc.boolean(), fc.nat(64), (bytes, whole, before) => {
        const slab = new Uint8Array(before + bytes.length + 64).fill(1);
        slab.set(bytes, before);
        const end = before + bytes.length;
        const flaw = decode(slab, before, end, whole, into);
        expect(FLAWS[flaw]).toBeDefined();
        expect(into.name.length).toBeLessThanOrEqual(MAX_NAME);
        expect(into.addresses).toBeLessThanOrEqual(MAX_ADDRESSES);
        for (let i = 0; i < into.addresses; i++) {
          expect(into.addressAt[i]).toBeGreaterThanOrEqual(before + 12);
          expect(into.addressAt[i]! + into.addressSize[i]!).toBeLessThanOrEqual(end);
        }
        expect(nameText(into.name.bytes, into.name.length).length).toBeLessThanOrEqual(1024);
        // what lies around a message changes nothing
        const [name, type] = [[...into.name.bytes.subarray(0, into.name.length)], into.type];
        expect(decode(bytes, 0, bytes.length, whole, into)).toBe(flaw);
        expect([[...into.name.bytes.subarray(0, into.name.length)], into.type]).toEqual([name, type]);
        const arena = new Arena();
        const place = arena.keep(slab, before, end, -1);
        JSON.stringify(arena.chunk.details(place));
      }),
      forSeconds,
    );
  });
});
