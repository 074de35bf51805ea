import { type FlowBatch, FlowEvent, Reply } from '@retina/sdk';
import { resized } from '../metrics/series-table.ts';
import type { TopEnd } from './talkers.ts';
import { addressAt, TurnTable } from './turn-table.ts';

export interface TopConnection {
  /** The initiator as far as known. */
  readonly source: TopEnd;
  readonly destination: TopEnd;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Since it was first seen here. */
  readonly bytes: number;
  readonly packets: number;
  readonly replyBytes: number;
  readonly replyPackets: number;
  /** Milliseconds since the Unix epoch. */
  readonly firstSeen: number;
}

const MAX_CONNECTIONS = 65_536;
const FORGET_MS = 120_000;
/** How long a connection is still shown after its end. */
const SHOW_ENDED_MS = 5_000;
const CELLS = 8; // bytes, packets, reply bytes, reply packets, first seen, forget at, endpoints of source and destination

/** Live connections by addresses, ports and protocol, wherever their two ways are seen. */
export class Connections {
  private readonly keys = new TurnTable(10);
  private sums = new Float64Array(0);
  private nowMs: number;

  constructor(second: number) {
    this.nowMs = second * 1000;
  }

  /** The row of a record's connection; -1 if there is no room. */
  find(batch: FlowBatch, row: number): number {
    const { keys } = this;
    const { tuple } = keys;
    const reply = batch.isReply(row) === Reply.YES;
    const [from, to] = reply ? [4, 0] : [0, 4];
    for (let i = 0; i < 4; i++) {
      tuple[from + i] = batch.sourceWord(row, i);
      tuple[to + i] = batch.destinationWord(row, i);
    }
    const [source, destination] = [batch.sourcePort(row), batch.destinationPort(row)];
    tuple[8] = (reply ? (destination << 16) | source : (source << 16) | destination) >>> 0;
    tuple[9] = batch.protocol(row);
    const [connection, fresh] = keys.take(MAX_CONNECTIONS);
    if (connection < 0) return -1;
    if (this.sums.length < keys.capacity * CELLS) this.sums = resized(this.sums, keys.capacity * CELLS);
    const at = connection * CELLS;
    if (fresh) this.sums.fill(0, at, at + CELLS);
    if (fresh) this.sums[at + 4] = batch.firstSeen(row);
    this.sums[at + (reply ? 7 : 6)] = batch.sourceEndpoint(row);
    this.sums[at + (reply ? 6 : 7)] = batch.destinationEndpoint(row);
    return connection;
  }

  turn(connection: number): number {
    return this.keys.turn(connection);
  }

  add(connection: number, reply: number, event: number, bytes: number, packets: number): void {
    const at = connection * CELLS;
    const way = at + (reply === Reply.YES ? 2 : 0);
    this.sums[way]! += bytes;
    this.sums[way + 1]! += packets;
    const over = event === FlowEvent.END || event === FlowEvent.RESET || event === FlowEvent.EXPIRED;
    this.sums[at + 5] = this.nowMs + (over ? SHOW_ENDED_MS : FORGET_MS);
  }

  /** Forgets what is over or was silent for long. */
  roll(second: number): void {
    this.nowMs = second * 1000;
    for (const row of this.keys.rows()) if (this.sums[row * CELLS + 5]! <= this.nowMs) this.keys.remove(row);
  }

  /** Most bytes both ways first. */
  top(limit: number): TopConnection[] {
    const { keys, sums } = this;
    const total = (row: number) => sums[row * CELLS]! + sums[row * CELLS + 2]!;
    const most = [...keys.rows()].map((row) => [row, total(row)] as const).sort((a, b) => b[1] - a[1]);
    return most.slice(0, limit).map(([row]) => {
      const at = row * CELLS;
      const ports = keys.key(row, 8);
      return {
        source: { endpoint: sums[at + 6]!, address: addressAt(keys, row, 0) },
        destination: { endpoint: sums[at + 7]!, address: addressAt(keys, row, 4) },
        protocol: keys.key(row, 9),
        sourcePort: ports >>> 16,
        destinationPort: ports & 0xffff,
        bytes: sums[at]!,
        packets: sums[at + 1]!,
        replyBytes: sums[at + 2]!,
        replyPackets: sums[at + 3]!,
        firstSeen: sums[at + 4]!,
      };
    });
  }
}
