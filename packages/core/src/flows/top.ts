import { type FlowBatch, FlowEvent, Observation, Verdict } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';
import { resized } from '../metrics/series-table.ts';
import { Connections, type TopConnection } from './connections.ts';
import { rememberedFlow } from './flow-id.ts';
import { Talkers, TOP_WINDOW_SECONDS, type TopTalker } from './talkers.ts';

export { TOP_WINDOW_SECONDS, type TopEnd, type TopTalker } from './talkers.ts';
export type { TopConnection } from './connections.ts';

const CELLS = 6; // identity epoch, reply, talker and its turn, connection and its turn

/**
 * Who talks most, and the connections that carry most. Each packet counts once, though it may cross two taps: at its
 * sender's interface if that is tapped, else at its receiver's, else at the uplink. Bounded; what has no room is counted.
 */
export class FlowTop {
  /** Records of ends or connections that had no room. */
  untracked = 0;
  private readonly endpoints: EndpointTable;
  private readonly now: () => number;
  private readonly talkerTable: Talkers;
  private readonly connectionTable: Connections;
  private readonly since: number;
  private second: number;
  /** By source: what a flow id stood for last time. */
  private readonly caches = new Map<string, Uint32Array>();

  constructor(endpoints: EndpointTable, now: () => number = Date.now) {
    this.endpoints = endpoints;
    this.now = now;
    this.second = this.since = Math.floor(now() / 1000);
    this.talkerTable = new Talkers(this.second);
    this.connectionTable = new Connections(this.second);
  }

  /** Takes a batch that has passed identity, from a named source whose flow ids it uses; a `FlowSink`. */
  observe(batch: FlowBatch, source: string): void {
    this.roll();
    let cache = this.caches.get(source) ?? new Uint32Array(1024 * CELLS);
    const { talkerTable, connectionTable } = this;
    const { epoch } = this.endpoints;
    for (let row = 0; row < batch.length; row++) {
      if (batch.verdict(row) === Verdict.DROPPED || !this.counts(batch, row)) continue;
      // A record that only carries details: its packets are counted elsewhere. (An end may have none left, but is one.)
      if (batch.packets(row) === 0 && batch.event(row) === FlowEvent.UPDATE) continue;
      const reply = batch.isReply(row);
      const at = rememberedFlow(batch, row) * CELLS; // 0 is no id: its place is overwritten every time
      if (at >= cache.length) cache = resized(cache, Math.max(at + CELLS, cache.length * 2));
      let talker = cache[at + 2]!;
      let connection = cache[at + 4]!;
      if (
        at === 0 ||
        batch.fresh(row) === 1 ||
        cache[at] !== epoch ||
        cache[at + 1] !== reply ||
        talkerTable.turn(talker) !== cache[at + 3] ||
        connectionTable.turn(connection) !== cache[at + 5]
      ) {
        talker = talkerTable.find(batch, row);
        connection = connectionTable.find(batch, row);
        cache[at] = epoch;
        cache[at + 1] = reply;
        cache[at + 2] = talker;
        cache[at + 3] = talkerTable.turn(talker);
        cache[at + 4] = connection;
        cache[at + 5] = connectionTable.turn(connection);
        if (talker < 0 || connection < 0) {
          this.untracked++;
          cache[at] = 0; // there may be room next time
        }
      }
      const bytes = batch.bytes(row);
      const packets = batch.packets(row);
      if (talker >= 0) talkerTable.add(talker, bytes, packets);
      if (connection >= 0) connectionTable.add(connection, reply, batch.event(row), bytes, packets);
    }
    this.caches.set(source, cache);
  }

  /** Seconds the talkers' sums cover. */
  get windowSeconds(): number {
    this.roll();
    return Math.max(1, Math.min(TOP_WINDOW_SECONDS, this.second - this.since));
  }

  /** Most bytes first. */
  talkers(limit: number): TopTalker[] {
    this.roll();
    return this.talkerTable.top(limit, (endpoint) => this.endpoints.recall(endpoint).addresses[0] ?? '');
  }

  /** Most bytes both ways first. */
  connections(limit: number): TopConnection[] {
    this.roll();
    return this.connectionTable.top(limit);
  }

  private counts(batch: FlowBatch, row: number): boolean {
    const { endpoints } = this;
    switch (batch.observation(row)) {
      case Observation.FROM_ENDPOINT:
        return true;
      case Observation.TO_ENDPOINT:
        return !endpoints.hasInterface(batch.sourceEndpoint(row));
      case Observation.TO_NETWORK:
        return endpoints.isHost(batch.sourceEndpoint(row));
      case Observation.FROM_NETWORK: {
        const destination = batch.destinationEndpoint(row);
        if (endpoints.isHost(destination)) return true;
        return !endpoints.hasInterface(batch.sourceEndpoint(row)) && !endpoints.hasInterface(destination);
      }
      default:
        return false;
    }
  }

  private roll(): void {
    const second = Math.floor(this.now() / 1000);
    if (second <= this.second) return;
    this.talkerTable.roll(second);
    this.connectionTable.roll(second);
    this.second = second;
  }
}
