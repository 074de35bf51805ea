import { AgentClient, type FlowJson, type FlowLine } from '@retina/agent/api';
import { bytes } from '@retina/agent/terminal';
import type { AgentOptions } from '../options.ts';
import { columnsFor, outputWidth, paint, write, type Format, type OutputColumn } from '../output.ts';
import { StreamTable } from '../stream-table.ts';

export interface FlowsOptions extends AgentOptions {
  readonly follow?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly last?: number;
  readonly pod?: readonly string[];
  readonly namespace?: readonly string[];
  readonly ip?: readonly string[];
  readonly port?: readonly string[];
  readonly protocol?: readonly string[];
  readonly verdict?: readonly string[];
  readonly type?: readonly string[];
  readonly fqdn?: readonly string[];
  readonly dropReason?: readonly string[];
}

/** `retina flows`: a table on a terminal, JSON lines in a pipe. */
export async function flows(options: FlowsOptions): Promise<void> {
  const { socket, output, dropReason, ...terms } = options;
  const format: Format = output ?? (process.stdout.isTTY ? 'table' : 'json');
  const query = { ...terms, 'drop-reason': dropReason };
  const stop = new AbortController();
  if (options.follow) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const print = await printer(format);
  try {
    for await (const line of new AgentClient(socket).flows(query, stop.signal)) print(line);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

async function printer(format: Format): Promise<(line: FlowLine) => void> {
  if (format === 'json') return (line) => write(JSON.stringify(line));
  if (format === 'yaml') {
    const { stringify } = await import('yaml');
    return (line) => write(`---\n${stringify(line)}`);
  }
  const stream = new StreamTable(columnsFor(FLOW_COLUMNS, format), outputWidth(format));
  const colour = paint();
  return (line) => {
    if ('lost' in line) return write(colour('yellow', `… ${line.lost} records were too many for this reader`));
    for (const text of stream.lines(line)) write(line.verdict === 'DROPPED' ? colour('red', text) : text);
  };
}

/** `demo/client:40312`; the address where nobody knows a name, with brackets if it is IPv6 and has a port. */
export function endText(flow: FlowJson, side: 'source' | 'destination'): string {
  const { namespace, pod_name: name } = flow[side];
  const port = transport(flow)[1][`${side}_port`] as number | undefined;
  const address = flow.IP[side];
  const [hint] = flow[`${side}_names`] ?? [];
  const who = name
    ? namespace
      ? `${namespace}/${name}`
      : name
    : hint !== undefined
      ? hint
      : port && address.includes(':')
        ? `[${address}]`
        : address;
  return port ? `${who}:${port}` : who;
}

function transport(flow: FlowJson): readonly [string, Readonly<Record<string, unknown>>] {
  return Object.entries(flow.l4)[0] ?? ['', {}];
}

function info(flow: FlowJson): string {
  const { flags, type, code } = transport(flow)[1];
  if (flags) return Object.keys(flags).join(',');
  return type === undefined ? '' : `type ${type as number} code ${code as number}`;
}

/** What became of it, and what hangs off it in few words. */
function outcome(flow: FlowJson): string {
  const more = [dns(flow), flow.policies?.map(({ name }) => name).join(','), flow.reason].filter(Boolean);
  // A record that is not about packets has no verdict.
  const verdict = flow.verdict === 'VERDICT_UNKNOWN' && more.length > 0 ? undefined : flow.verdict;
  const sample = flow.packet && `sample of ${flow.packet.length / 2} bytes`;
  return [verdict, flow.drop_reason_desc, ...more, backend(flow), sample].filter(Boolean).join(' ');
}

/** Where this node's translation sends the packets: `to shop/web-1:8080`. */
function backend({ translated_to }: FlowJson): string | undefined {
  const end = translated_to?.destination;
  if (!end) return undefined;
  const address = end.address.includes(':') ? `[${end.address}]` : end.address;
  return `to ${end.pod_name ? [end.namespace, end.pod_name].filter(Boolean).join('/') : address}:${end.port}`;
}

/** `A? example.com`, `A example.com 192.0.2.1 12 ms`, `A example.com NXDOMAIN`. */
function dns({ dns: message }: FlowJson): string | undefined {
  if (!message) return undefined;
  const { query, query_type, response, response_code, addresses, latency_ms } = message;
  if (!response) return `${query_type}? ${query}`;
  const answer = response_code === 'NOERROR' ? addresses?.join(',') : response_code;
  const time = latency_ms === undefined ? undefined : `${latency_ms.toFixed(latency_ms < 10 ? 1 : 0)} ms`;
  return [query_type, query, answer, time].filter(Boolean).join(' ');
}

export const FLOW_COLUMNS: readonly OutputColumn<FlowJson>[] = [
  { title: 'TIME', value: (f) => f.time.slice(11, 23) },
  { title: 'SOURCE', value: (f) => endText(f, 'source'), shrinkTo: 14 },
  { title: 'DESTINATION', value: (f) => endText(f, 'destination'), shrinkTo: 14 },
  { title: 'PROTO', value: (f) => transport(f)[0] },
  { title: 'INFO', value: info, wide: true },
  { title: 'EVENT', value: (f) => f.event, wide: true },
  { title: 'REPLY', value: (f) => (f.is_reply === undefined ? '?' : f.is_reply ? 'yes' : 'no'), wide: true },
  { title: 'SEEN', value: (f) => `${f.trace_observation_point} ${f.interface?.name ?? ''}`, wide: true },
  { title: 'PACKETS', value: (f) => f.packets, align: 'right', wide: true },
  { title: 'BYTES', value: (f) => bytes(f.bytes), align: 'right' },
  { title: 'VERDICT', value: outcome, shrinkTo: 9 },
];
