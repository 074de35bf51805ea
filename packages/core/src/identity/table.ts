import { formatWords } from './address.ts';
import { bothWays, type Claim, leavePlace, mayBe, newClaim, rootOf } from './claim.ts';
import { claimProvider } from './claim-provider.ts';
import {
  addressesOf,
  describes,
  reaches,
  type EndpointProvider,
  type EndpointSpec,
  type Words,
} from './endpoint-spec.ts';
import { EndpointLookups } from './lookups.ts';
import { Retirement } from './retirement.ts';

export interface EndpointTableOptions {
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** Milliseconds of a clock that nobody sets. Default `now`, where that is given. */
  readonly monotonic?: () => number;
  /** How long a removed endpoint still names late flows, in milliseconds. Default 10 000. */
  readonly lingerMs?: number;
}

const MAX_LEARNED = 256;
const NOTHING: readonly string[] = [];

/**
 * Who is behind an address, an interface or a network namespace: integers in, a small integer out. Providers claim
 * addresses; the one of highest precedence wins, and an endpoint found by interface (a namespace of this host) is merged
 * into the endpoint that a provider of higher precedence names for one of its addresses.
 */
export class EndpointTable extends EndpointLookups {
  private readonly now: () => number;
  private readonly retired: Retirement;
  private readonly owners = new Map<number, Claim>();
  private lastId = 0;
  private turns = 0;

  constructor(options: EndpointTableOptions = {}) {
    super();
    this.now = options.now ?? Date.now;
    const monotonic = options.monotonic ?? options.now ?? (() => performance.now());
    this.retired = new Retirement(this.index, this.now, monotonic, options.lingerMs ?? 10_000);
  }

  /** Where two providers claim an address, the higher precedence wins (local 0, a file 10). */
  provider(precedence: number): EndpointProvider {
    return claimProvider({
      add: (spec) => this.add(precedence, spec),
      update: (claim, spec) => this.update(claim, spec),
      drop: (claim) => this.drop(claim),
    });
  }

  /** Takes an unknown source seen on an endpoint's interface as its own address, if its provider asked for that. */
  learn(id: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const claim = this.owners.get(id);
    if (!claim?.spec.learn || claim.learned.length >= MAX_LEARNED || this.find(w0, w1, w2, w3) !== 0) return false;
    if ((w0 | w1) === 0 && w3 === 0 && (w2 === 0 || w2 === 0xffff0000)) return false; // who has no address yet
    claim.learned = [...claim.learned, formatWords(w0, w1, w2, w3)];
    this.index.addresses.set(w0, w1, w2, w3, id);
    this.describe(claim);
    this.epoch++;
    return true;
  }

  /**
   * The endpoint at the near side of an interface, where `tap` was found by the interface and `owner` by the address of a
   * packet that came from there or, with `delivered`, goes there. A namespace nobody has named is, for good, the pod whose
   * address it both sends with and gets packets for: one alone may be forged, or flooded by a bridge.
   */
  behind(tap: number, owner: number, delivered: boolean, words: Words): number {
    if (tap === 0 || tap === owner) return owner;
    if (owner === 0) {
      if (!delivered) this.learn(tap, ...words);
      return tap;
    }
    const claim = this.owners.get(tap);
    const pod = this.owners.get(owner);
    if (!claim?.spec.anonymous || pod?.spec.incarnation === undefined || !mayBe(claim, pod)) return tap;
    const text = formatWords(...words);
    if (!bothWays(claim, text, delivered)) return owner;
    this.index.delist(claim);
    Object.assign(claim, { bound: [...claim.bound, text], addresses: [...claim.addresses, text] });
    this.index.enlist(claim);
    this.settle(claim);
    return rootOf(claim).id;
  }

  /**
   * Whether what goes to the place behind an interface is for another one here: a bridge that does not know where an address is
   * sends a copy to everybody.
   */
  flooded(tap: number, owner: number): boolean {
    return tap !== owner && tap !== 0 && this.owners.get(owner)?.present === true;
  }

  /** Ends what has lingered long enough. The host calls it about once a second. */
  sweep(): void {
    const whole = this.retired.sweep();
    if (whole === undefined) return;
    for (const id of whole) {
      this.directory.remember(id);
      this.index.passing.delete(id);
    }
    this.epoch++;
  }

  private add(precedence: number, spec: EndpointSpec): Claim {
    const claim = newClaim(precedence, ++this.turns, spec);
    if (spec.host) this.hosts.claims.add(claim);
    this.index.enlist(claim);
    this.settle(claim);
    return claim;
  }

  private update(claim: Claim, spec: EndpointSpec): void {
    const before = claim.spec;
    const described = describes(before) === describes(spec);
    if (reaches(before) === reaches(spec))
      claim.spec = spec; // no look-up gives another answer
    else this.reach(claim, spec);
    if (before.observed !== spec.observed) this.epoch++; // who looks for what is chosen finds something else
    if (claim.id === 0) return;
    this.describe(claim);
    if (!described) this.directory.tell('updated', claim.id);
  }

  /** Goes over to other addresses, interfaces or namespaces. */
  private reach(claim: Claim, spec: EndpointSpec): void {
    const before = claim.spec;
    const gone = new Set(claim.addresses);
    this.index.delist(claim);
    Object.assign(claim, { spec, addresses: [...new Set([...addressesOf(spec), ...claim.bound])] });
    if (before.incarnation !== spec.incarnation) claim.boundBy = undefined;
    for (const text of claim.addresses) gone.delete(text);
    this.index.enlist(claim);
    const lost = (list: readonly number[] = [], now: readonly number[] = []) => list.filter((n) => !now.includes(n));
    const { interfaces, netns } = before;
    this.retired.add(rootOf(claim).id, [...gone], lost(interfaces, spec.interfaces), lost(netns, spec.netns));
    this.settle(claim, gone);
  }

  private drop(claim: Claim): void {
    this.hosts.claims.delete(claim);
    this.index.delist(claim);
    leavePlace(claim);
    if (claim.into) this.retired.add(claim.into.id, claim.addresses, claim.spec.interfaces, claim.spec.netns);
    else this.retire(claim);
    this.settle(undefined, claim.addresses);
  }

  /** Brings the indexes in line for a claim, for who shares an address with it, and for addresses it left. */
  private settle(claim: Claim | undefined, left: Iterable<string> = []): void {
    const claims = new Set<Claim>(claim ? [claim] : []);
    for (const text of [...(claim?.addresses ?? []), ...left]) {
      for (const c of this.index.claimantsOf(text)) claims.add(c);
    }
    // Highest first: a claim is merged into one that is already settled.
    const order = [...claims].sort((a, b) => b.precedence - a.precedence);
    for (const c of order) this.merge(c);
    for (const c of order) this.index.point(c, this.now());
    this.hosts.refresh(this.index);
    this.epoch++;
  }

  private merge(claim: Claim): void {
    let into: Claim | undefined;
    if (!claim.spec.host) {
      // The host has many addresses, and a file may give one of them a name of its own: that names no other.
      for (const text of claim.addresses) {
        const first = this.index.claimantsOf(text)[0]!;
        if (first.precedence <= claim.precedence || (into && first.precedence <= into.precedence)) continue;
        if (mayBe(claim, rootOf(first))) into = rootOf(first);
      }
    }
    if (claim.into !== into) leavePlace(claim);
    if (into?.spec.incarnation !== undefined && claim.spec.anonymous) {
      Object.assign(into, { boundBy: claim.spec.key, present: true });
    }
    if (into && claim.id !== 0) {
      this.index.passing.add(claim.id);
      this.retire(claim);
    }
    claim.into = into;
    if (into) return;
    if (claim.id === 0) this.owners.set((claim.id = ++this.lastId), claim);
    this.describe(claim);
  }

  private describe(claim: Claim): void {
    const { spec, id, addresses, learned } = claim;
    this.directory.describe(id, spec, learned.length > 0 ? [...addresses, ...learned] : addresses);
  }

  private retire(claim: Claim): void {
    const { id, spec, addresses, learned } = claim;
    this.owners.delete(id);
    this.retired.add(id, [...addresses, ...learned], spec.interfaces, spec.netns, true);
    claim.learned = NOTHING;
    claim.id = 0;
  }
}
