import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLines, parsePairs, parseSockstat, type Statistics } from './statistics.ts';

const recorded = (name: string) => readFileSync(new URL(`../fixtures/net/${name}`, import.meta.url), 'utf8');

/** What a line of names above a line of numbers says, worked out by its columns. */
function column(text: string, protocol: string, name: string): number {
  const [names, numbers] = text.split('\n').filter((line) => line.startsWith(`${protocol}: `));
  return Number(numbers!.split(' ')[names!.split(' ').indexOf(name)]);
}

describe('tables of a real kernel', () => {
  it('reads every statistic of netstat and snmp', () => {
    for (const [table, protocol, names] of [
      ['netstat', 'TcpExt', ['SyncookiesSent', 'ListenDrops', 'TCPTimeouts', 'TCPLossProbes']],
      ['netstat', 'IpExt', ['InNoRoutes', 'InCsumErrors', 'ReasmOverlaps']],
      ['snmp', 'Tcp', ['RetransSegs', 'OutRsts']],
    ] as const) {
      const { values, malformed } = parsePairs(recorded(table));
      expect(malformed).toBe(0);
      for (const name of names) expect(values.get(`${protocol}.${name}`)).toBe(column(recorded(table), protocol, name));
    }
    expect(parsePairs(recorded('snmp')).values.has('Tcp.MaxConn')).toBe(false); // -1: a setting
  });

  it('reads snmp6 and the numbers of sockets', () => {
    const { values, malformed } = parseLines(recorded('snmp6'));
    expect(malformed).toBe(0);
    expect(values.get('Ip6.InReceives')).toBe(Number(/^Ip6InReceives\s+(\d+)$/m.exec(recorded('snmp6'))![1]));
    expect(values.has('Udp6.RcvbufErrors')).toBe(true);
    const four = parseSockstat(recorded('sockstat'));
    expect([four.malformed, four.values.get('TCP.inuse'), four.values.get('TCP.tw')]).toEqual([0, 1, 14]);
    expect(parseSockstat(recorded('sockstat6')).values.get('UDP6.inuse')).toBe(0);
  });
});

describe('foreign tables', () => {
  it('counts lines without their pair, and reads the pairs around them', () => {
    const text = [
      'TcpExt: A B', 'TcpExt: 1 2', 'IpExt: A B', 'IpExt: 1', 'Other: A', 'Mptcp: 5', 'MPTcpExt: A B', 'MPTcpExt: 7 x', 'Tail: A',
    ].join('\n'); // prettier-ignore
    const { values, malformed } = parsePairs(text);
    expect([...values]).toEqual([['TcpExt.A', 1], ['TcpExt.B', 2], ['MPTcpExt.A', 7]]); // prettier-ignore
    expect(malformed).toBe(6);
  });

  it('takes no names that are none of the kernel, nor numbers that are none', () => {
    expect([...parsePairs('a"b: X\na"b: 1\nT: {}\nT: 1\nT: A\nT: 1e9\n').values]).toEqual([]);
    expect([...parseLines('Udp6InErrors 5\nUdp6 InErrors 5\nTcpInErrors 5\n').values]).toEqual([['Udp6.InErrors', 5]]);
    expect([...parseSockstat('TCP: inuse\nUDP: inuse -4 mem x\n').values]).toEqual([]);
  });

  it('survives any text', () => {
    const parsers: ((text: string) => Statistics)[] = [parsePairs, parseLines, parseSockstat];
    const tables = ['netstat', 'snmp', 'snmp6', 'sockstat'].map(recorded);
    const mangled = fc.tuple(fc.constantFrom(...tables), fc.nat(), fc.nat(), fc.string({ unit: 'binary' })).map(
      ([text, at, cut, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + (cut % 200)),
    ); // prettier-ignore
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), mangled), (text) => {
        for (const parse of parsers) {
          const { values, malformed } = parse(text);
          expect(malformed).toBeGreaterThanOrEqual(0);
          for (const [key, value] of values) {
            expect(key).toMatch(/^[A-Za-z0-9]+\.[A-Za-z0-9]+$/);
            expect(value).toBeGreaterThanOrEqual(0);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
