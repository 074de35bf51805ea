import { type FlowBatch, FlowEvent, Observation, Reply, Verdict } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';
import { formatWords } from '../identity/address.ts';
import { resized, SeriesTable } from '../metrics/series-table.ts';

/** One end: an endpoint, or the bare address where nobody knows it (endpoint 0). */
export interface TopEnd {
  readonly endpoint: number;
  readonly address: string;
}

export interface TopTalker {
  readonly source: TopEnd;
  readonly destination: TopEnd;
  /** Within the window. */
  readonly bytes: number;
  readonly packets: number;
}

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

/** Seconds that talkers are summed over. */
export const TOP_WINDOW_SECONDS = 5;
const MAX_TALKERS = 16_384;
const MAX_CONNECTIONS = 65_536;
const FORGET_MS = 120_000;
/** How long a connection is still shown after its end. */
const SHOW_ENDED_MS = 5_000;
const CONNECTION_CELLS = 8; // bytes, packets, reply bytes, reply packets, first seen, forget at, endpoints of source and destination

/**
 * Who talks most, and the connections that carry most. Each packet counts once, though it may cross two taps: at its
 * sender's interface if that is tapped, else at its receiver's, else at the uplink. Bounded; what has no room is counted.
 */
export class FlowTop {
  /** Records that had no room in either table. */
  untracked = 0;
  private readonly endpoints: EndpointTable;
  private readonly now: () => number;
  private readonly talkerKeys = new SeriesTable(8);
  private talkerSums = new Float64Array(8 * 2 * TOP_WINDOW_SECONDS);
  private readonly connectionKeys = new SeriesTable(10);
  private connectionSums = new Float64Array(8 * CONNECTION_CELLS);
  private second: number;
  private since: number;
  private readonly tuple = new Array<number>(10).fill(0);

  constructor(endpoints: EndpointTable, now: () => number = Date.now) {
    this.endpoints = endpoints;
    this.now = now;
    this.second = this.since = Math.floor(now() / 1000);
  }

  /** Takes a batch that has passed identity; a {@link FlowSink}. */
  observe(batch: FlowBatch): void {
    this.roll();
    for (let row = 0; row < batch.length; row++) {
      if (batch.verdict(row) === Verdict.DROPPED || !this.counts(batch, row)) continue;
      const talker = this.addTalker(batch, row);
      const connection = this.addConnection(batch, row);
      if (!talker || !connection) this.untracked++;
    }
  }

  /** Seconds the talkers' sums cover. */
  get windowSeconds(): number {
    return Math.max(1, Math.min(TOP_WINDOW_SECONDS, this.second - this.since));
  }

  /** Most bytes first. */
  talkers(limit: number): TopTalker[] {
    this.roll();
    const rows: TopTalker[] = [];
    for (const row of live(this.talkerKeys)) {
      const [bytes, packets] = this.windowSum(row);
      if (packets > 0)
        rows.push({
          source: this.end(this.talkerKeys, row, 0),
          destination: this.end(this.talkerKeys, row, 4),
          bytes,
          packets,
        });
    }
    return rows.sort((a, b) => b.bytes - a.bytes).slice(0, limit);
  }

  /** Most bytes both ways first. */
  connections(limit: number): TopConnection[] {
    this.roll();
    const keys = this.connectionKeys;
    const rows = [...live(keys)].map((row): [number, number] => {
      const at = row * CONNECTION_CELLS;
      return [row, this.connectionSums[at]! + this.connectionSums[at + 2]!];
    });
    rows.sort((a, b) => b[1] - a[1]);
    return rows.slice(0, limit).map(([row]) => {
      const sums = this.connectionSums;
      const at = row * CONNECTION_CELLS;
      const ports = keys.key(row, 8);
      return {
        source: { endpoint: sums[at + 6]!, address: addressOf(keys, row, 0) },
        destination: { endpoint: sums[at + 7]!, address: addressOf(keys, row, 4) },
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

  private counts(batch: FlowBatch, row: number): boolean {
    const { endpoints } = this;
    const source = batch.sourceEndpoint(row);
    const destination = batch.destinationEndpoint(row);
    switch (batch.observation(row)) {
      case Observation.FROM_ENDPOINT:
        return true;
      case Observation.TO_ENDPOINT:
        return !endpoints.hasInterface(source);
      case Observation.TO_NETWORK:
        return endpoints.isHost(source);
      case Observation.FROM_NETWORK:
        return (
          endpoints.isHost(destination) || !(endpoints.hasInterface(source) || endpoints.hasInterface(destination))
        );
      default:
        return false;
    }
  }

  private addTalker(batch: FlowBatch, row: number): boolean {
    const { tuple, talkerKeys: keys } = this;
    const source = batch.sourceEndpoint(row);
    const destination = batch.destinationEndpoint(row);
    for (let i = 0; i < 4; i++) {
      tuple[i] = source !== 0 ? (i === 0 ? 0xffffffff : i === 1 ? source : 0) : batch.sourceWord(row, i);
      tuple[4 + i] =
        destination !== 0 ? (i === 0 ? 0xffffffff : i === 1 ? destination : 0) : batch.destinationWord(row, i);
    }
    let talker = keys.find(tuple);
    if (talker < 0) {
      if (keys.count >= MAX_TALKERS) return false;
      talker = keys.insert(tuple);
      const width = 2 * TOP_WINDOW_SECONDS;
      if (this.talkerSums.length < keys.capacity * width)
        this.talkerSums = resized(this.talkerSums, keys.capacity * width);
      this.talkerSums.fill(0, talker * width, (talker + 1) * width);
    }
    const at = (talker * TOP_WINDOW_SECONDS + (this.second % TOP_WINDOW_SECONDS)) * 2;
    this.talkerSums[at]! += batch.bytes(row);
    this.talkerSums[at + 1]! += batch.packets(row);
    return true;
  }

  private addConnection(batch: FlowBatch, row: number): boolean {
    const { tuple, connectionKeys: keys } = this;
    const reply = batch.isReply(row) === Reply.YES;
    for (let i = 0; i < 4; i++) {
      tuple[reply ? 4 + i : i] = batch.sourceWord(row, i);
      tuple[reply ? i : 4 + i] = batch.destinationWord(row, i);
    }
    const [from, to] = reply
      ? [batch.destinationPort(row), batch.sourcePort(row)]
      : [batch.sourcePort(row), batch.destinationPort(row)];
    tuple[8] = ((from << 16) | to) >>> 0;
    tuple[9] = batch.protocol(row);
    let connection = keys.find(tuple);
    if (connection < 0) {
      if (keys.count >= MAX_CONNECTIONS) return false;
      connection = keys.insert(tuple);
      if (this.connectionSums.length < keys.capacity * CONNECTION_CELLS) {
        this.connectionSums = resized(this.connectionSums, keys.capacity * CONNECTION_CELLS);
      }
      this.connectionSums.set([0, 0, 0, 0, batch.firstSeen(row), 0, 0, 0], connection * CONNECTION_CELLS);
    }
    const at = connection * CONNECTION_CELLS;
    const way = reply ? 2 : 0;
    const { connectionSums: sums } = this;
    sums[at + way]! += batch.bytes(row);
    sums[at + way + 1]! += batch.packets(row);
    const event = batch.event(row);
    const over = event === FlowEvent.END || event === FlowEvent.RESET || event === FlowEvent.EXPIRED;
    sums[at + 5] = this.second * 1000 + (over ? SHOW_ENDED_MS : FORGET_MS);
    sums[at + 6] = reply ? batch.destinationEndpoint(row) : batch.sourceEndpoint(row);
    sums[at + 7] = reply ? batch.sourceEndpoint(row) : batch.destinationEndpoint(row);
    return true;
  }

  /** Forgets seconds that left the window, talkers that were silent in it, and connections that are over. */
  private roll(): void {
    const second = Math.floor(this.now() / 1000);
    if (second === this.second) return;
    const steps = Math.min(TOP_WINDOW_SECONDS, Math.max(1, second - this.second));
    for (const row of live(this.talkerKeys)) {
      for (let i = 1; i <= steps; i++) {
        const at = (row * TOP_WINDOW_SECONDS + ((this.second + i) % TOP_WINDOW_SECONDS)) * 2;
        this.talkerSums[at] = this.talkerSums[at + 1] = 0;
      }
      if (this.windowSum(row)[1] === 0) this.talkerKeys.remove(row);
    }
    for (const row of live(this.connectionKeys)) {
      if (this.connectionSums[row * CONNECTION_CELLS + 5]! <= second * 1000) this.connectionKeys.remove(row);
    }
    this.second = second;
  }

  private windowSum(row: number): [bytes: number, packets: number] {
    let [bytes, packets] = [0, 0];
    for (let i = 0; i < TOP_WINDOW_SECONDS; i++) {
      bytes += this.talkerSums[(row * TOP_WINDOW_SECONDS + i) * 2]!;
      packets += this.talkerSums[(row * TOP_WINDOW_SECONDS + i) * 2 + 1]!;
    }
    return [bytes, packets];
  }

  private end(keys: SeriesTable, row: number, at: number): TopEnd {
    if (keys.key(row, at) !== 0xffffffff) return { endpoint: 0, address: addressOf(keys, row, at) };
    const endpoint = keys.key(row, at + 1);
    return { endpoint, address: this.endpoints.recall(endpoint).addresses[0] ?? '' };
  }
}

function addressOf(keys: SeriesTable, row: number, at: number): string {
  return formatWords(keys.key(row, at), keys.key(row, at + 1), keys.key(row, at + 2), keys.key(row, at + 3));
}

/** Rows in the set; removing the one at hand is fine. */
function* live(keys: SeriesTable): Generator<number> {
  for (let row = 0; row < keys.size; row++) if (keys.has(row)) yield row;
}
