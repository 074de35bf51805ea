import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { laterFragments, packet, shapes } from '@retina/testkit';
import { anyPacket } from './arbitrary.ts';
import { asRoot, expectedRows, ParserRun } from './run.ts';

const kernel = describe.runIf(asRoot);
/** The kernel's test run refuses packets that end within the IP header; those come over an interface in flows.kernel.test.ts. */
const runnable = Object.entries(shapes()).filter(([name]) => !/^IPv[46] header cut short/.test(name));

// the same handler behind each hook, and behind each of the parser's ways in
describe.each(['packetparser_ingress', 'packetparser_egress'])('%s', (program) => {
  kernel('on the kernel', () => {
    let parser: ParserRun;
    beforeAll(async () => {
      parser = await ParserRun.load(program);
    });
    afterAll(() => parser[Symbol.dispose]());

    it.each(runnable)('%s', async (_, one) => {
      const { rows, unparsed } = await parser.run([one]);
      expect(rows).toEqual(expectedRows([one]));
      expect(unparsed).toEqual(one.expected.unparsed ? { [one.expected.unparsed]: 1 } : {});
    });
  });
});

kernel('the parser', () => {
  it('finds in any packet what its builder put there', { timeout: 120_000 }, async () => {
    using parser = await ParserRun.load();
    await fc.assert(
      fc.asyncProperty(fc.array(anyPacket, { minLength: 1, maxLength: 60 }), async (packets) => {
        const { rows, unparsed } = await parser.run(packets);
        expect(rows).toEqual(expectedRows(packets));
        const causes: Record<string, number> = {};
        for (const { unparsed: cause } of packets.map((one) => one.expected)) {
          if (cause) causes[cause] = (causes[cause] ?? 0) + 1;
        }
        expect(unparsed).toEqual(causes);
      }),
      { numRuns: 60 },
    );
  });

  it('loses no packet and no byte, whatever the bytes are', { timeout: 120_000 }, async () => {
    using parser = await ParserRun.load();
    const noise = fc.record({
      base: fc.constantFrom(...runnable.map(([, one]) => one)),
      changes: fc.array(fc.tuple(fc.nat(59), fc.nat(255)), { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { minLength: 1, maxLength: 100 }), async (parts) => {
        const packets = parts.map(({ base, changes }) => {
          const bytes = base.bytes.slice();
          for (const [at, value] of changes) if (at >= 12 && at < bytes.length) bytes[at] = value;
          return { ...base, bytes };
        });
        const { rows, unparsed, accepted } = await parser.run(packets);
        const inFlows = rows.reduce((sum, row) => sum + row.packets, 0);
        expect(inFlows + Object.values(unparsed).reduce((sum, n) => sum + n, 0)).toBe(accepted);
      }),
      { numRuns: 40 },
    );
  });

  it('gives later fragments their first one’s flow, or port 0 where that was not seen', async () => {
    using parser = await ParserRun.load();
    const later = laterFragments();
    const first = { ipv4: shapes()['IPv4 first fragment']!, ipv6: shapes()['IPv6 first fragment']! };
    for (const ip of ['ipv4', 'ipv6'] as const) {
      expect((await parser.run([later[ip]])).rows).toEqual(expectedRows([later[ip]]));
      const { rows } = await parser.run([first[ip], later[ip]]);
      const [whole] = expectedRows([first[ip]]);
      expect(rows).toEqual([{ ...whole, packets: 2, bytes: first[ip].bytes.length + later[ip].bytes.length }]);
    }
  });

  it('keeps flows apart that differ in one field, and together what is one flow', async () => {
    using parser = await ParserRun.load();
    const { ethernet, ipv4, tcp, udp } = await import('@retina/testkit');
    const make = (source: string, destination: string, ports: [number, number], over: typeof tcp | typeof udp) =>
      packet(ethernet(), ipv4({ source, destination }), over({ source: ports[0], destination: ports[1] }));
    const apart = [
      make('10.0.0.1', '10.0.0.2', [1, 2], udp),
      make('10.0.0.3', '10.0.0.2', [1, 2], udp),
      make('10.0.0.1', '10.0.0.3', [1, 2], udp),
      make('10.0.0.1', '10.0.0.2', [3, 2], udp),
      make('10.0.0.1', '10.0.0.2', [1, 3], udp),
      make('10.0.0.1', '10.0.0.2', [1, 2], tcp),
    ];
    const { rows } = await parser.run([...apart, ...apart, ...apart]);
    expect(rows).toEqual(expectedRows([...apart, ...apart, ...apart]));
    expect(rows.map((row) => row.packets)).toEqual([3, 3, 3, 3, 3, 3]);
  });
});
