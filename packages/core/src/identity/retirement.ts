import type { EndpointIndex, Holdings } from './endpoint-index.ts';
import { wordsOf } from './endpoint-spec.ts';

/** What an endpoint lost, or all of one that is gone, while late flows may still show it. */
interface Retired extends Holdings {
  readonly id: number;
  /** The endpoint itself is gone, not only some of its addresses. */
  readonly whole: boolean;
  /** By the monotonic clock. */
  readonly until: number;
}

/** What endpoints let go of, kept for a while for flows that are late. */
export class Retirement {
  private readonly index: EndpointIndex;
  private readonly now: () => number;
  private readonly monotonic: () => number;
  private readonly lingerMs: number;
  private list: Retired[] = [];

  /** `now` is of the clock that flows' times are of; somebody may set that, so `monotonic` says how long. */
  constructor(index: EndpointIndex, now: () => number, monotonic: () => number, lingerMs: number) {
    this.index = index;
    this.now = now;
    this.monotonic = monotonic;
    this.lingerMs = lingerMs;
  }

  add(
    id: number,
    addresses: readonly string[],
    interfaces: readonly number[] = [],
    netns: readonly number[] = [],
    whole = false,
  ): void {
    if (!whole && addresses.length + interfaces.length + netns.length === 0) return;
    this.index.leave(id, addresses, this.now());
    const until = this.monotonic() + this.lingerMs;
    this.list.push({ id, whole, until, addresses: addresses.map(wordsOf), interfaces, netns });
  }

  /** Ends what has lingered long enough: ids of endpoints that are over, or undefined if there was nothing to do. */
  sweep(): number[] | undefined {
    const now = this.monotonic();
    const over = this.list.filter((r) => r.until <= now);
    if (over.length === 0) return undefined;
    this.list = this.list.filter((r) => r.until > now);
    for (const gone of over) this.index.expire(gone.id, gone);
    return over.filter(({ whole }) => whole).map(({ id }) => id);
  }
}
