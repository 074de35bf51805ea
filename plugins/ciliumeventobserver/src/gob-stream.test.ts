import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GobError, type GobProblem } from './gob-input.ts';
import { GobStream } from './gob-stream.ts';
import { fieldsOf, type GobValue } from './gob-types.ts';

const KINDS = readFileSync(new URL('../fixtures/cilium-kinds.gob', import.meta.url));
const EVENTS = readFileSync(new URL('../fixtures/cilium.gob', import.meta.url));

interface Read {
  readonly values: GobValue[];
  readonly skipped: GobProblem[];
  readonly within: boolean;
}

/** Reads a stream in pieces; bytes in values are copied, since they are borrowed. */
function read(pieces: Iterable<Uint8Array>, limit = 1 << 20): Read {
  const values: GobValue[] = [];
  const skipped: GobProblem[] = [];
  const stream = new GobStream(limit, {
    value: (value) => void values.push(structuredClone(value)),
    skipped: (error) => void skipped.push(error.problem),
  });
  for (const piece of pieces) stream.push(piece);
  return { values, skipped, within: stream.within };
}

const problem = (bytes: readonly number[]): string => {
  try {
    return read([Uint8Array.from(bytes)]).skipped.join();
  } catch (error) {
    if (error instanceof GobError) return `the stream ends: ${error.problem}`;
    throw error;
  }
};

/** `[]int`, then what a message holds. */
const withList = (...message: number[]): number[] => [12, 0xff, 0xbb, 2, 1, 2, 0xff, 0xbc, 0, 1, 4, 0, 0, ...message];

describe('a stream of Go’s own encoder', () => {
  it('is read with every kind of value', () => {
    const { values, skipped } = read([KINDS]);
    expect(skipped).toEqual([]);
    const [first, text, list, again] = values;
    expect(text).toBe('alone');
    expect(list).toEqual([1, -2, 3]);
    expect(again).toEqual(first);
    expect(Object.fromEntries(fieldsOf(first))).toEqual({
      Bool: true, Small: -1, Big: 2 ** 63, Low: -129, Huge: 2 ** 64, Float: 1.5, Negative: -Math.PI, Complex: undefined,
      Text: 'größe', Bytes: Uint8Array.of(0, 255), List: ['a', '', 'c'], Pair: [-7, 7], Map: new Map([['one', 1]]),
      ByNumber: new Map([['-3', new Map([['Name', 'x']])]]),
      Inner: new Map<string, GobValue>([['Name', 'outer'], ['More', new Map([['Name', 'deeper']])]]),
      Any: undefined, Time: Uint8Array.of(1, 0, 0, 0, 14, 119, 145, 247, 1, 0, 0, 0, 0, 255, 255), Last: 9,
    }); // prettier-ignore
  });

  it('says the same in whatever pieces it comes', () => {
    const whole = read([EVENTS]);
    expect(whole.values).toHaveLength(33);
    const cuts = fc.array(fc.integer({ min: 0, max: EVENTS.length }), { maxLength: 60 });
    fc.assert(
      fc.property(cuts, (at) => {
        const edges = [0, ...at.sort((a, b) => a - b), EVENTS.length];
        const pieces = edges.slice(1).map((end, i) => EVENTS.subarray(edges[i], end));
        expect(read(pieces)).toEqual(whole);
      }),
      { numRuns: 50 },
    );
    expect(read(Array.from(EVENTS, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  it('is known to stand within a message, but not between two', () => {
    expect(read([EVENTS]).within).toBe(false);
    expect(read([EVENTS.subarray(0, EVENTS.length - 1)]).within).toBe(true);
    expect(read([Uint8Array.of(50)]).within).toBe(true);
  });
});

describe('a stream nobody should send', () => {
  it('steps over a message above the limit, and goes on behind it', () => {
    const { values, skipped, within } = read([EVENTS], 150);
    expect(skipped.length).toBeGreaterThan(0);
    expect(new Set(skipped)).toEqual(new Set(['too_large']));
    expect(values.length + skipped.length).toBe(33);
    expect(within).toBe(false);
    const long = Uint8Array.of(0xfd, 0x10, 0, 0); // a MiB that never comes
    expect(read([long], 4096)).toEqual({ values: [], skipped: ['too_large'], within: true });
  });

  it('ends where it cannot be followed', () => {
    expect(problem([0xf0, 1, 2, 3])).toBe('the stream ends: malformed'); // a length of 16 bytes
    expect(problem([0xfc, 0x40, 0, 0, 0])).toBe('the stream ends: malformed'); // a message of 1 GiB
    expect(problem([2, 0x7e, 0])).toBe('the stream ends: unknown_type');
    expect(problem([2, 0x7f, 0])).toBe('the stream ends: malformed'); // a definition of nothing
    expect(problem([...withList(), ...withList()])).toBe('the stream ends: malformed'); // defined twice
  });

  it('counts messages that make no sense, and ends after many in a row', () => {
    const short = [4, 0xff, 0xbc, 0, 9];
    expect(problem(withList(...short))).toBe('truncated');
    expect(problem(withList(...short, ...short))).toBe('truncated,truncated');
    expect(problem(withList(...new Array<number[]>(20).fill(short).flat()))).toBe('the stream ends: truncated');
    expect(problem(withList(4, 0xff, 0xbc, 1, 0))).toBe('malformed'); // a lone value without its mark
  });

  it('does not follow a type that holds itself without end', () => {
    // type 65 is struct { A type 65 }; its value goes one deeper with every byte
    const define = [0x13, 0xff, 0x81, 3, 1, 1, 1, 0x54, 1, 0xff, 0x82, 0, 1, 1, 1, 1, 0x41, 1, 0xff, 0x82, 0, 0, 0];
    define[0] = define.length - 1;
    expect(problem([...define, 102, 0xff, 0x82, ...new Array<number>(100).fill(1)])).toBe('too_deep');
  });

  it('makes no more of a message than a bounded number of values', () => {
    const count = 20_000;
    const message = [0xff, 0xbc, 0, 0xfe, count >> 8, count & 0xff, ...new Array<number>(count).fill(2)];
    expect(problem(withList(0xfe, message.length >> 8, message.length & 0xff, ...message))).toBe('too_many');
  });
});
