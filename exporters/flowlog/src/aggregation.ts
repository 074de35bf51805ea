import { setImmediate as turn } from 'node:timers/promises';
import {
  Direction,
  Reply,
  type EndpointReader,
  type FlowBatch,
  type FlowEndpointJson,
  type FlowJson,
  type FlowPredicate,
  type PartialDelivery,
} from '@retina/sdk';
import { rest } from './flow-log.ts';
import type { AggregateJson, LogRecord } from './record.ts';
import type { Target } from './target.ts';

export interface AggregationParts {
  readonly target: Target;
  readonly wanted: FlowPredicate;
  readonly json: (batch: FlowBatch, row: number) => FlowJson;
  readonly line: (record: LogRecord) => string;
  readonly endpoints: EndpointReader;
  readonly maxGroups: number;
}

/** Records summed at a time, and sums rendered at a time. */
const ROWS = 256;
const MAX_NAMES = 65_536;
const COUNTS = ['unknown_direction_flow_count', 'ingress_flow_count', 'egress_flow_count'] as const;

interface Group {
  readonly first: LogRecord;
  packets: number;
  bytes: number;
  retransmits: number;
  start: number;
  end: number;
  readonly flows: [number, number, number];
}

/**
 * Sums of records that have source and destination workload, server port, protocol, verdict, reason and place in common. Sums that cannot
 * be written stay and go on growing, so that no count is lost while there is room for them; when there is none, batches are not taken.
 */
export class Aggregation {
  private readonly parts: AggregationParts;
  private groups = new Map<string, Group>();
  private readonly names = new Map<number, string>();
  private tail: Promise<unknown> = Promise.resolve();
  /** How far a call got that was given up. */
  private done: { readonly batch: WeakRef<FlowBatch>; readonly row: number } | undefined;

  constructor(parts: AggregationParts) {
    this.parts = parts;
  }

  /** Takes a batch, or as much of it as there is room for. */
  add(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | void> {
    return this.inTurn(async () => {
      let row = this.done?.batch.deref() === batch ? this.done.row : 0;
      this.done = undefined;
      try {
        while (row < batch.length) {
          if (this.parts.wanted(batch, row)) {
            const full = this.groups.size >= this.parts.maxGroups && !this.groups.has(this.key(batch, row));
            if (full) await this.flush(signal);
            this.count(batch, row);
          }
          row++;
          if (row % ROWS === 0) await turn();
          signal.throwIfAborted();
        }
      } catch (error) {
        if (!signal.aborted) return rest(batch, row, error);
        this.done = { batch: new WeakRef(batch), row };
        throw error;
      }
    });
  }

  /** Writes every sum and begins anew. Throws where they cannot be written; they stay then. */
  write(signal: AbortSignal): Promise<void> {
    return this.inTurn(() => this.flush(signal));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.tail.then(work);
    this.tail = done.catch(() => undefined);
    return done;
  }

  private async flush(signal: AbortSignal): Promise<void> {
    const waiting = [...this.groups];
    for (let at = 0; at < waiting.length; at += ROWS) {
      const part = waiting.slice(at, at + ROWS);
      const lines = part.map(([, group]) => Buffer.from(this.parts.line(summed(group))));
      const written = await this.parts.target.write(Buffer.concat(lines), signal);
      let begun = 0;
      for (const [i, [key]] of part.entries()) {
        if (begun >= written) break;
        this.groups.delete(key);
        begun += lines[i]!.length;
      }
      signal.throwIfAborted();
    }
  }

  private count(batch: FlowBatch, row: number): void {
    const key = this.key(batch, row);
    let group = this.groups.get(key);
    if (!group) {
      const first = common(this.parts.json(batch, row), batch.isReply(row) === Reply.YES);
      group = { first, packets: 0, bytes: 0, retransmits: 0, start: Infinity, end: 0, flows: [0, 0, 0] };
      this.groups.set(key, group);
    }
    group.packets += batch.packets(row);
    group.bytes += batch.bytes(row);
    group.retransmits += batch.retransmits(row);
    group.start = Math.min(group.start, batch.start(row) || Infinity);
    group.end = Math.max(group.end, batch.end(row));
    const direction = batch.direction(row);
    group.flows[direction === Direction.INGRESS ? 1 : direction === Direction.EGRESS ? 2 : 0]++;
  }

  private key(batch: FlowBatch, row: number): string {
    const reply = batch.isReply(row);
    const port = reply === Reply.YES ? batch.sourcePort(row) : batch.destinationPort(row);
    const ends = `${this.name(batch.sourceEndpoint(row))}>${this.name(batch.destinationEndpoint(row))}`;
    const what = `${port},${batch.protocol(row)},${batch.verdict(row)},${batch.dropReason(row)},${reply}`;
    const where = `${batch.direction(row)},${batch.observation(row)},${batch.details(row)?.dns ? 7 : 4},${batch.sampling(row)}`;
    return `${ends},${what},${where}`;
  }

  private name(id: number): string {
    let name = this.names.get(id);
    if (name !== undefined) return name;
    const { kind, namespace, name: own, workloads } = this.parts.endpoints.byId(id);
    const [top] = workloads;
    name = JSON.stringify(top ? [namespace, top.kind, top.name] : [namespace, kind, own]);
    if (this.names.size >= MAX_NAMES) this.names.clear();
    this.names.set(id, name);
    return name;
  }
}

/** What every record of a sum has in common with its first. */
function common(record: FlowJson, reply: boolean): LogRecord {
  const [name = '', fields = {}] = Object.entries(record.l4)[0] ?? [];
  const server = reply ? 'source_port' : 'destination_port';
  return {
    time: record.time,
    start_time: record.start_time,
    verdict: record.verdict,
    ...(record.drop_reason_desc !== undefined && { drop_reason_desc: record.drop_reason_desc }),
    l4: { [name]: fields[server] === undefined ? {} : { [server]: fields[server] } },
    source: owner(record.source),
    destination: owner(record.destination),
    Type: record.Type,
    ...(record.node_name !== undefined && { node_name: record.node_name }),
    traffic_direction: record.traffic_direction,
    trace_observation_point: record.trace_observation_point,
    ...(record.is_reply !== undefined && { is_reply: record.is_reply }),
    packets: 0,
    bytes: 0,
    ...(record.sampling !== undefined && { sampling: record.sampling }),
  }; // prettier-ignore
}

/** The workload where there is one, else the end itself. */
function owner({ kind, namespace, pod_name, workloads }: FlowEndpointJson): FlowEndpointJson {
  return {
    kind,
    ...(namespace !== undefined && { namespace }),
    ...(workloads ? { workloads } : pod_name !== undefined && { pod_name }),
  };
}

function summed({ first, packets, bytes, retransmits, start, end, flows }: Group): LogRecord {
  const aggregate: AggregateJson = Object.fromEntries(COUNTS.map((key, i) => [key, flows[i]!] as const).filter(([, n]) => n > 0)); // prettier-ignore
  const time = (ms: number, otherwise: string) =>
    Number.isFinite(ms) && ms > 0 ? new Date(ms).toISOString() : otherwise;
  return {
    ...first,
    time: time(end, first.time),
    start_time: time(start, first.start_time),
    packets,
    bytes,
    ...(retransmits > 0 && { retransmits }),
    aggregate,
  };
}
