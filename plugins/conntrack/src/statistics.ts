import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Netlink, NetlinkFamily, RetinaError } from '@retina/sdk';
import { DUMP, Message, payload, readStatistics } from './ctnetlink.ts';
import { STATISTICS } from './declarations.ts';

/** State of the connection table. Counters by CPU, each in the order of STATISTICS; they are 32 bits wide in the kernel. */
export interface TableState {
  readonly entries: number;
  readonly limit: number;
  readonly byCpu: ReadonlyMap<number, readonly number[]>;
}

const ENTRIES = 1;
const LIMIT = 2;

/** Reads the table's state over netlink, and from /proc what netlink does not tell or the kernel does not let it. */
export class TableReader {
  /** Why netlink could not be asked the last time. */
  refused: RetinaError | undefined;
  private readonly netlink: Netlink;
  private readonly proc: string;
  private readonly bad: () => void;

  /** `bad` is called for every message that could not be read. `proc`: where procfs is. */
  constructor(netlink: Netlink, bad: () => void, proc = '/proc') {
    this.netlink = netlink;
    this.bad = bad;
    this.proc = proc;
  }

  /** Undefined where the kernel tracks no connections (nf_conntrack is not loaded). */
  async read(): Promise<TableState | undefined> {
    this.refused = undefined;
    const byCpu = await this.countersOverNetlink();
    const global = byCpu.size > 0 ? await this.ask(Message.GET_STATS, 0) : [];
    const values = global[0]?.values;
    const entries = values?.get(ENTRIES) ?? (await this.number('sys/net/netfilter/nf_conntrack_count'));
    const limit = values?.get(LIMIT) ?? (await this.number('sys/net/netfilter/nf_conntrack_max'));
    if (entries === undefined || limit === undefined) return undefined;
    return { entries, limit, byCpu: byCpu.size > 0 ? byCpu : await this.countersFromProc() };
  }

  private async countersOverNetlink(): Promise<Map<number, readonly number[]>> {
    const found = await this.ask(Message.GET_STATS_CPU, DUMP);
    return new Map(found.map(({ cpu, values }) => [cpu, STATISTICS.map(([attribute]) => values.get(attribute) ?? 0)]));
  }

  private async ask(type: number, flags: number): Promise<NonNullable<ReturnType<typeof readStatistics>>[]> {
    const found: NonNullable<ReturnType<typeof readStatistics>>[] = [];
    if (this.refused) return found;
    try {
      await this.netlink.request({ family: NetlinkFamily.NETFILTER, type, flags, payload: payload() }, (messages) => {
        for (const message of messages) {
          const statistics = message.type === type ? readStatistics(message.payload) : undefined;
          if (statistics) found.push(statistics);
          else this.bad();
        }
      });
    } catch (error) {
      this.refused = RetinaError.from(
        error,
        'RETINA_NETLINK_FAILED',
        'The connection table cannot be asked over netlink',
      );
    }
    return found;
  }

  /** One row per CPU behind a row of names; every number hexadecimal. */
  private async countersFromProc(): Promise<Map<number, readonly number[]>> {
    const text = await readFile(join(this.proc, 'net/stat/nf_conntrack'), 'latin1').catch(() => '');
    const [head = '', ...rows] = text.split('\n').filter((line) => line.trim() !== '');
    const names = head.trim().split(/\s+/);
    const columns = STATISTICS.map(([, column]) => names.indexOf(column));
    const byCpu = new Map<number, readonly number[]>();
    rows.forEach((row, cpu) => {
      const cells = row.trim().split(/\s+/);
      if (cells.length !== names.length || !cells.every((cell) => /^[0-9a-f]{1,16}$/.test(cell))) return this.bad();
      byCpu.set(cpu, columns.map((column) => (column < 0 ? 0 : parseInt(cells[column]!, 16) >>> 0))); // prettier-ignore
    });
    return byCpu;
  }

  private async number(file: string): Promise<number | undefined> {
    const text = await readFile(join(this.proc, file), 'latin1').catch(() => '');
    return /^\d{1,10}\s*$/.test(text) ? Number(text) : undefined;
  }
}

/** What was added to each counter since the last reading: each CPU's own wraps at 2^32. The first time all there is. */
export class Deltas {
  private readonly last = new Map<number, readonly number[]>();

  take(byCpu: ReadonlyMap<number, readonly number[]>): number[] {
    const sums = STATISTICS.map(() => 0);
    for (const [cpu, values] of byCpu) {
      const before = this.last.get(cpu);
      values.forEach((value, i) => (sums[i]! += (value - (before?.[i] ?? 0)) >>> 0));
      this.last.set(cpu, values);
    }
    return sums;
  }
}
