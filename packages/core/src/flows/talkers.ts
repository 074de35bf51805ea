import type { FlowBatch } from '@retina/sdk';
import { resized } from '../metrics/series-table.ts';
import { addressAt, TurnTable } from './turn-table.ts';

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

/** Seconds that talkers are summed over. */
export const TOP_WINDOW_SECONDS = 5;
const MAX_TALKERS = 16_384;
/** In place of an address's first word: the second is an endpoint id. No address begins with it that is not multicast. */
const ENDPOINT = 0xffffffff;

/** Bytes and packets by pair of ends over a sliding window of seconds. */
export class Talkers {
  private readonly keys = new TurnTable(8);
  private sums = new Float64Array(0);
  private second: number;

  constructor(second: number) {
    this.second = second;
  }

  /** The row of a record's ends; -1 if there is no room. */
  find(batch: FlowBatch, row: number): number {
    const { keys } = this;
    const { tuple } = keys;
    const source = batch.sourceEndpoint(row);
    const destination = batch.destinationEndpoint(row);
    for (let i = 0; i < 4; i++) {
      tuple[i] = source === 0 ? batch.sourceWord(row, i) : 0;
      tuple[4 + i] = destination === 0 ? batch.destinationWord(row, i) : 0;
    }
    if (source !== 0) [tuple[0], tuple[1]] = [ENDPOINT, source];
    if (destination !== 0) [tuple[4], tuple[5]] = [ENDPOINT, destination];
    const [talker, fresh] = keys.take(MAX_TALKERS);
    if (!fresh) return talker;
    const width = 2 * TOP_WINDOW_SECONDS;
    if (this.sums.length < keys.capacity * width) this.sums = resized(this.sums, keys.capacity * width);
    this.sums.fill(0, talker * width, (talker + 1) * width);
    return talker;
  }

  turn(talker: number): number {
    return this.keys.turn(talker);
  }

  add(talker: number, bytes: number, packets: number): void {
    const at = (talker * TOP_WINDOW_SECONDS + (this.second % TOP_WINDOW_SECONDS)) * 2;
    this.sums[at]! += bytes;
    this.sums[at + 1]! += packets;
  }

  /** Moves the window to a later second and forgets who was silent in it. */
  roll(second: number): void {
    const steps = Math.min(TOP_WINDOW_SECONDS, second - this.second);
    for (const talker of this.keys.rows()) {
      for (let i = 1; i <= steps; i++) {
        const at = (talker * TOP_WINDOW_SECONDS + ((this.second + i) % TOP_WINDOW_SECONDS)) * 2;
        this.sums[at] = this.sums[at + 1] = 0;
      }
      if (this.sum(talker)[1] === 0) this.keys.remove(talker);
    }
    this.second = second;
  }

  /** Most bytes first; `addressOf` names an endpoint's address. */
  top(limit: number, addressOf: (endpoint: number) => string): TopTalker[] {
    const sums = [...this.keys.rows()].map((talker) => [talker, ...this.sum(talker)] as const);
    const most = sums.filter(([, , packets]) => packets > 0).sort((a, b) => b[1] - a[1]);
    return most.slice(0, limit).map(([talker, bytes, packets]) => {
      return { source: this.end(talker, 0, addressOf), destination: this.end(talker, 4, addressOf), bytes, packets };
    });
  }

  private sum(talker: number): [bytes: number, packets: number] {
    let [bytes, packets] = [0, 0];
    for (let i = 0; i < TOP_WINDOW_SECONDS; i++) {
      bytes += this.sums[(talker * TOP_WINDOW_SECONDS + i) * 2]!;
      packets += this.sums[(talker * TOP_WINDOW_SECONDS + i) * 2 + 1]!;
    }
    return [bytes, packets];
  }

  private end(talker: number, at: number, addressOf: (endpoint: number) => string): TopEnd {
    if (this.keys.key(talker, at) !== ENDPOINT) return { endpoint: 0, address: addressAt(this.keys, talker, at) };
    const endpoint = this.keys.key(talker, at + 1);
    return { endpoint, address: addressOf(endpoint) };
  }
}
