import { CURATED } from './curated.ts';
import type { Part } from './part.ts';
import { readTable } from './proc.ts';
import { parseLines, parsePairs, parseSockstat, type Statistics } from './statistics.ts';
import { type Totals, totalsOf } from './totals.ts';

const PARSERS = {
  netstat: parsePairs,
  snmp: parsePairs,
  snmp6: parseLines,
  sockstat: parseSockstat,
  sockstat6: parseSockstat,
};
type Table = keyof typeof PARSERS;

/** The text tables of the network namespace: counters of the protocols, and how many sockets there are. */
export class Tables {
  private readonly part: Part;

  constructor(part: Part) {
    this.part = part;
  }

  /** Netstat's counters, into their families. */
  async statistics(): Promise<void> {
    const { ctx } = this.part;
    const [netstat, snmp, snmp6] = [await this.read('netstat'), await this.read('snmp'), await this.read('snmp6')];
    if (ctx.signal.aborted) return;
    const { tcp_connection_stats, ip_connection_stats, protocol_stats_total } = ctx.metrics;
    for (const [family, keys] of [
      [tcp_connection_stats, CURATED.tcp_connection_stats],
      [ip_connection_stats, CURATED.ip_connection_stats],
    ] as const) {
      const totals = totalsOf(family);
      for (const key of keys) step(totals, netstat, key, (add, _, name) => family.add(add, ctx.label(name)));
    }
    const totals = totalsOf(protocol_stats_total);
    for (const key of ctx.config.moreStatistics) {
      const values = [netstat, snmp, snmp6].find((table) => table.has(key));
      if (!values) continue;
      step(totals, values, key, (add, protocol, name) =>
        protocol_stats_total.add(add, ctx.label(protocol), ctx.label(name)),
      );
    }
  }

  /** Sockets by the kernel's own count, which costs nothing: TCP (time-wait included) and UDP; undefined where it does not say. */
  async sockets(): Promise<{ readonly tcp: number | undefined; readonly udp: number | undefined }> {
    const [four, six] = [await this.read('sockstat'), await this.read('sockstat6')];
    const sum = (first: string, ...more: string[]) => {
      const value = four.get(first);
      if (value === undefined) return undefined;
      return more.reduce((total, key) => total + (four.get(key) ?? six.get(key) ?? 0), value);
    };
    return { tcp: sum('TCP.inuse', 'TCP.tw', 'TCP6.inuse'), udp: sum('UDP.inuse', 'UDP6.inuse') };
  }

  /** A table's values; none, and counted, where it is not what it should be. Without IPv6 there is none of its tables. */
  private async read(table: Table): Promise<ReadonlyMap<string, number>> {
    const { ctx, problems } = this.part;
    let found: Statistics;
    try {
      found = PARSERS[table](await readTable(`${ctx.config.procNet}/${table}`));
    } catch (error) {
      const missing = (error as Error).cause as NodeJS.ErrnoException | undefined;
      if (!(table.endsWith('6') && missing?.code === 'ENOENT')) problems.caught(table, error);
      return new Map();
    }
    if (found.malformed > 0) problems.add(table, 'foreign', `${table} has lines nobody understands`, found.malformed);
    return found.values;
  }
}

function step(
  totals: Totals,
  values: ReadonlyMap<string, number>,
  key: string,
  add: (step: number, protocol: string, name: string) => void,
): void {
  const value = values.get(key);
  if (value === undefined) return;
  const dot = key.indexOf('.');
  add(totals.step('kernel', key, value), key.slice(0, dot), key.slice(dot + 1));
}
