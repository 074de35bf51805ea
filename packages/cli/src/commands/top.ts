import {
  AgentClient,
  type ConnectionRow,
  type DropRow,
  type Talker,
  type TopKind,
  type TopReport,
} from '@retina/agent/api';
import { bytes, count, duration, showLive, table } from '@retina/agent/terminal';
import type { AgentOptions } from '../options.ts';
import { columnsFor, paint, tableText, write, writeDocument, type Format, type OutputColumn } from '../output.ts';

export interface TopOptions extends AgentOptions {
  readonly last?: number;
  readonly once?: boolean;
}

const REFRESH_MS = 1000;
const ROWS = 20;

/** `retina top KIND`: live on a terminal, one report otherwise. */
export async function top(kind: string, options: TopOptions): Promise<void> {
  const client = new AgentClient(options.socket);
  const ask = (limit: number) => client.top(kind as TopKind, { limit });
  const first = await ask(options.last ?? ROWS); // an agent that does not answer is an error before the screen changes
  const { output } = options;
  if (output === 'json' || output === 'yaml') return writeDocument(first, output);
  if (output || options.once || !process.stdout.isTTY) return write(reportText(first, output ?? 'table'));
  await live(first, ask, options.last);
}

async function live(first: TopReport, ask: (limit: number) => Promise<TopReport>, limit?: number): Promise<void> {
  let report = first;
  let problem: unknown;
  const colour = paint();
  {
    using _screen = showLive(process.stdout, REFRESH_MS, ({ columns, rows }) => {
      const [title = '', ...lines] = rowsOf(report, 'table', Math.max(80, columns));
      const head = `retina top ${report.kind}, last ${duration(report.windowSeconds)}; Ctrl-C ends`;
      return [colour('dim', head), '', colour('bold', title), ...lines].slice(0, rows);
    });
    const ended = new Promise<void>((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
    let over = false;
    void ended.then(() => (over = true));
    while (!over && !problem) {
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, REFRESH_MS).unref())]);
      if (!over) await ask(limit ?? (process.stdout.rows || ROWS)).then((next) => (report = next)).catch((error: unknown) => (problem = error)); // prettier-ignore
    }
  }
  if (problem) throw problem as Error;
}

function reportText(report: TopReport, format: Format): string {
  switch (report.kind) {
    case 'talkers':
      return tableText(TALKERS, report.rows, format);
    case 'drops':
      return tableText(DROPS, report.rows, format);
    case 'connections':
      return tableText(CONNECTIONS, report.rows, format);
  }
}

function rowsOf(report: TopReport, format: Format, width: number): string[] {
  switch (report.kind) {
    case 'talkers':
      return table(columnsFor(TALKERS, format), report.rows, { width });
    case 'drops':
      return table(columnsFor(DROPS, format), report.rows, { width });
    case 'connections':
      return table(columnsFor(CONNECTIONS, format), report.rows, { width });
  }
}

const TALKERS: readonly OutputColumn<Talker>[] = [
  { title: 'SOURCE', value: (t) => t.source, shrinkTo: 16 },
  { title: 'DESTINATION', value: (t) => t.destination, shrinkTo: 16 },
  { title: 'BYTES/S', value: (t) => bytes(t.bytesPerSecond), align: 'right' },
  { title: 'PACKETS/S', value: (t) => count(t.packetsPerSecond), align: 'right' },
  { title: 'BYTES', value: (t) => bytes(t.bytes), align: 'right' },
  { title: 'PACKETS', value: (t) => count(t.packets), align: 'right', wide: true },
];

const DROPS: readonly OutputColumn<DropRow>[] = [
  { title: 'REASON', value: (d) => d.reason, shrinkTo: 20 },
  { title: 'DIRECTION', value: (d) => d.direction },
  { title: 'MOSTLY IN', value: (d) => d.place ?? '', shrinkTo: 12 },
  { title: 'PACKETS/S', value: (d) => count(d.packetsPerSecond), align: 'right' },
  { title: 'PACKETS', value: (d) => count(d.packets), align: 'right' },
  { title: 'BYTES', value: (d) => bytes(d.bytes), align: 'right' },
];

const CONNECTIONS: readonly OutputColumn<ConnectionRow>[] = [
  { title: 'PROTOCOL', value: (c) => c.protocol },
  { title: 'SOURCE', value: (c) => `${c.source}:${c.sourcePort}`, shrinkTo: 16 },
  { title: 'DESTINATION', value: (c) => `${c.destination}:${c.destinationPort}`, shrinkTo: 16 },
  { title: 'SENT', value: (c) => bytes(c.bytes), align: 'right' },
  { title: 'RECEIVED', value: (c) => bytes(c.replyBytes), align: 'right' },
  { title: 'PACKETS', value: (c) => count(c.packets + c.replyPackets), align: 'right', wide: true },
  { title: 'AGE', value: (c) => duration(c.ageSeconds), align: 'right' },
];
