import { flowFilter, flowJson, pastFlows, type FlowNames, type FlowPredicate, type Host } from '@retina/core';
import { RetinaError, type FlowBatch } from '@retina/sdk';
import { CHUNK, type LineSource } from './api/lines.ts';

/** What is shown where neither a number nor a time is asked for. */
const DEFAULT_LAST = 20;

interface Follower {
  readonly wanted: FlowPredicate;
  readonly listener: (line: object) => void;
}

/** Flow records for people and programs: the history, and what comes, filtered, as JSON. */
export class FlowLines implements Disposable {
  /** Records of the history that were overwritten before a slow reader got them. */
  lost = 0;
  private readonly host: Host;
  private readonly names: FlowNames;
  private readonly followers = new Set<Follower>();
  private readonly sink: Disposable;

  constructor(host: Host) {
    this.host = host;
    this.names = host.flowNames;
    this.sink = host.flows.addSink('local api', (batch) => this.deliver(batch));
  }

  [Symbol.dispose](): void {
    this.sink[Symbol.dispose]();
  }

  /** `follow`, `last`, and the filters of core's `flowFilter`. Throws RETINA_REQUEST_INVALID. */
  open(query: URLSearchParams): LineSource {
    const wanted = flowFilter(query, this.names);
    const following = query.has('follow') && query.get('follow') !== 'false';
    const asked = query.has('since') || query.has('until');
    const limit = whole(query.get('last')) ?? (asked ? Infinity : following ? 0 : DEFAULT_LAST);
    const follow = (listener: (line: object) => void) => {
      const follower = { wanted, listener };
      this.followers.add(follower);
      return { [Symbol.dispose]: () => void this.followers.delete(follower) };
    };
    const { history, disk, config } = this.host;
    const { maxAgeMs } = config.flows.history;
    const lost = (records: number) => void (this.lost += records);
    const past = pastFlows({ history, archive: disk.archive, names: this.names, maxAgeMs, lost }, { query, limit, chunk: CHUNK }, flowJson); // prettier-ignore
    return { history: () => past, ...(following && { follow }) };
  }

  private deliver(batch: FlowBatch): void {
    if (this.followers.size === 0) return;
    for (let row = 0; row < batch.length; row++) {
      let line: object | undefined;
      for (const { wanted, listener } of this.followers) {
        if (wanted(batch, row)) listener((line ??= flowJson(batch, row, this.names)));
      }
    }
  }
}

function whole(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RetinaError('RETINA_REQUEST_INVALID', 'last is not understood', { found: text, needed: 'a whole number' });
}
