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

/** Ends in one sweep, some milliseconds' work: where thousands are due at once, the others wait for the next ones. */
const MAX_ENDS = 1000;

/** What endpoints let go of, kept for a while for flows that are late. */
export class Retirement {
  private readonly index: EndpointIndex;
  private readonly now: () => number;
  private readonly monotonic: () => number;
  private readonly lingerMs: number;
  /** Whose time is over first comes first. */
  private readonly list: Retired[] = [];

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

  /** Ends what has lingered long enough, at most so much that nobody waits for it: ids of endpoints that are over, or undefined if there was nothing to do. */
  sweep(): number[] | undefined {
    const now = this.monotonic();
    let due = 0;
    while (due < this.list.length && due < MAX_ENDS && this.list[due]!.until <= now) due++;
    if (due === 0) return undefined;
    const over = this.list.splice(0, due);
    for (const gone of over) this.index.expire(gone.id, gone);
    return over.filter(({ whole }) => whole).map(({ id }) => id);
  }
}
