import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { message, prefixed } from '../test/build.ts';
import { streams } from '../test/streams.ts';

const SYN = 2;
const FIN = 1;

const query = (name: string, id = 1) => message({ id, name });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const dropped = ({ made }: ReturnType<typeof streams>) =>
  Object.fromEntries(Object.entries(made.dropped).filter(([, bytes]) => bytes > 0));

describe('streams', () => {
  it('finds every message, however the stream is cut, mixed up, repeated and overlapped', () => {
    const messages = fc.array(fc.tuple(fc.constantFrom('a', 'example.com', 'x'.repeat(60)), fc.nat(0xffff)), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        messages, fc.nat(0xffffffff), fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), fc.array(fc.nat(1000)), fc.array(fc.nat(30)),
        (specs, start, cuts, swaps, overlaps) => {
          const all = specs.map(([name, id]) => query(name, id));
          const bytes = Buffer.concat(all.map(prefixed));
          const segments: [number, number][] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = Math.min(cuts[i % cuts.length]!, bytes.length - at);
            segments.push([Math.max(0, at - (overlaps[i] ?? 0)), at + size]);
            at += size;
          }
          for (const [i, n] of swaps.entries()) {
            const [a, b] = [i % segments.length, n % segments.length];
            [segments[a], segments[b]] = [segments[b]!, segments[a]!];
          }
          const one = streams();
          one.send(start, new Uint8Array(0), { flags: SYN });
          for (const [from, to] of [...segments, ...segments.slice(0, 3)]) one.send(start + 1 + from, bytes.subarray(from, to));
          one.send(start + 1 + bytes.length, new Uint8Array(0), { flags: FIN });
          expect(one.found).toEqual(all.map(hex));
          expect(dropped(one)).toEqual({});
          expect(one.made.held).toBe(0);
        },
      ),
    );
  }); // prettier-ignore

  it('starts in the middle of a connection with the first segment that looks like a message', () => {
    const one = streams();
    one.send(
      500,
      Uint8Array.from({ length: 40 }, (_, i) => i),
    );
    const [first, second] = [query('a'), query('b')];
    one.send(900, prefixed(first));
    one.send(900 + first.length + 2, prefixed(second));
    expect(one.found).toEqual([hex(first), hex(second)]);
    expect(dropped(one)).toEqual({ not_dns: 40 });
  });

  it('gives up on a gap after a second, and goes on behind the message it is in', () => {
    const [first, second] = [query('a'.repeat(60)), query('b')];
    const bytes = Buffer.concat([prefixed(first), prefixed(second)]);
    const one = streams();
    one.send(0, new Uint8Array(0), { flags: SYN });
    one.send(1, bytes.subarray(0, 20));
    one.send(41, bytes.subarray(40)); // 20 to 39 are missing
    expect(one.found).toEqual([]);
    one.made.sweep(2000);
    expect(one.found).toEqual([`${hex(first.subarray(0, 18))}…`, hex(second)]);
    expect(dropped(one)).toEqual({ gap: first.length - 18 });
    expect(one.made.held).toBe(0);
  });

  it('passes over what the kernel did not copy', () => {
    const [first, second] = [query('a'.repeat(60)), query('b')];
    const one = streams();
    one.send(0, new Uint8Array(0), { flags: SYN });
    one.send(1, prefixed(first), { copied: 30 });
    one.send(1 + 2 + first.length, prefixed(second));
    expect(one.found).toEqual([`${hex(first.subarray(0, 28))}…`, hex(second)]);
  });

  it('keeps no more of a long message than its beginning', () => {
    const long = new Uint8Array(65_000).fill(7);
    const one = streams();
    one.send(0, new Uint8Array(0), { flags: SYN });
    const bytes = Buffer.concat([prefixed(long), prefixed(query('b'))]);
    for (let at = 0; at < bytes.length; at += 1400) one.send(1 + at, bytes.subarray(at, at + 1400));
    expect(one.found).toEqual([`${hex(long.subarray(0, 8192))}…`, hex(query('b'))]);
    expect(one.made.held).toBe(0);
  });

  it('holds what it must and no more, and counts the rest', () => {
    const one = streams({ bytesEach: 4096, bytesTotal: 65_536, max: 100 });
    for (let port = 1000; port < 1200; port++) {
      one.send(0, new Uint8Array(0), { flags: SYN, port });
      // always one byte too far
      for (let i = 0; i < 10; i++) one.send(2 + i * 1000, new Uint8Array(1000), { port });
    }
    expect(one.made.size).toBe(100);
    expect(one.made.held).toBeLessThanOrEqual(65_536);
    const counts = one.made.dropped;
    expect(counts.budget_stream + counts.budget_total + counts.evicted + one.made.held).toBe(2_000_000);
  });

  it('is not led astray by segments from elsewhere, and follows a stream that has moved', () => {
    const one = streams();
    one.send(0, new Uint8Array(0), { flags: SYN });
    const [first, second] = [query('a'), query('b')];
    one.send(1 + 0x4000_0000, new Uint8Array(100));
    one.send(1, prefixed(first));
    for (let i = 0; i < 3; i++) one.send(0x7000_0000, new Uint8Array(10));
    one.send(0x7000_000a, prefixed(second));
    expect(one.found).toEqual([hex(first), hex(second)]);
    expect(dropped(one)).toEqual({ out_of_window: 130 });
  });

  it('takes no message twice from a segment that comes again behind the end', () => {
    const one = streams();
    const bytes = prefixed(query('a'));
    one.send(0, new Uint8Array(0), { flags: SYN });
    one.send(1, bytes, { flags: FIN });
    one.send(1, bytes);
    expect(one.found).toHaveLength(1);
    one.made.sweep(10_000);
    expect(one.made.size).toBe(0);
  });
});
