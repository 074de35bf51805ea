import type { Endpoint, EndpointReader } from '@retina/sdk';
import { formatWords } from './address.ts';
import { words } from './address-map.ts';
import { type Claim, rootOf } from './claim.ts';
import { claimProvider } from './claim-provider.ts';
import { EndpointIndex, type Retired } from './endpoint-index.ts';
import {
  addressesOf,
  describes,
  type EndpointProvider,
  type EndpointSpec,
  toEndpoint,
  UNKNOWN_ENDPOINT,
  wordsOf,
} from './endpoint-spec.ts';

export interface EndpointTableOptions {
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** How long a removed endpoint still names late flows, in milliseconds. Default 10 000. */
  readonly lingerMs?: number;
}

export type EndpointListener = (change: 'updated' | 'removed', id: number) => void;

const [MAX_LEARNED, MAX_REMEMBERED] = [256, 4096];
const NOTHING: readonly string[] = [];

/**
 * Who is behind an address, an interface or a network namespace: integers in, a small integer out. Providers claim
 * addresses; the one of highest precedence wins, and an endpoint found by interface (a namespace of this host) is merged
 * into the endpoint that a provider of higher precedence names for one of its addresses.
 */
export class EndpointTable implements EndpointReader {
  /** Changes whenever a look-up may give another answer: what is cached by address is stale then. */
  epoch = 1;
  private readonly now: () => number;
  private readonly lingerMs: number;
  private readonly index = new EndpointIndex();
  private readonly endpoints = new Map<number, Endpoint>();
  private readonly owners = new Map<number, Claim>();
  private readonly hosts = new Set<number>();
  private readonly hostClaims = new Set<Claim>();
  private readonly remembered = new Map<number, Endpoint>();
  private readonly listeners = new Set<EndpointListener>();
  private retired: Retired[] = [];
  private lastId = 0;
  private turns = 0;

  constructor(options: EndpointTableOptions = {}) {
    this.now = options.now ?? Date.now;
    this.lingerMs = options.lingerMs ?? 10_000;
  }

  /** Id of the endpoint of an address, given as four little-endian words; 0 if unknown. */
  find(w0: number, w1: number, w2: number, w3: number): number {
    return this.index.addresses.get(w0, w1, w2, w3);
  }

  /** Id of the endpoint behind an interface of the agent's namespace; 0 if unknown. */
  byInterface(ifindex: number): number {
    return this.index.interfaces.get(ifindex);
  }

  /** Id of the endpoint in a network namespace; 0 if unknown. */
  byNetns(inode: number): number {
    return this.index.namespaces.get(inode);
  }

  /** Whether an endpoint claims an address, also where somebody else comes before it. */
  claims(id: number, w0: number, w1: number, w2: number, w3: number): boolean {
    return this.index.claims(id, formatWords(w0, w1, w2, w3));
  }

  byId(id: number): Endpoint {
    return this.endpoints.get(id) ?? UNKNOWN_ENDPOINT;
  }

  byAddress(address: Uint8Array): Endpoint {
    return this.byId(this.find(...words(address)));
  }

  /** As {@link byId}, but the last few thousand endpoints that are gone are still named: for the flow history. */
  recall(id: number): Endpoint {
    return this.endpoints.get(id) ?? this.remembered.get(id) ?? UNKNOWN_ENDPOINT;
  }

  /** Whether an endpoint is this host itself, under whatever name. */
  isHost(id: number): boolean {
    return this.hosts.has(id);
  }

  /** Whether an interface of this host leads to an endpoint, so that its traffic is seen there. */
  hasInterface(id: number): boolean {
    return this.index.interfaces.leadsTo(id);
  }

  /** Live endpoints, those that linger included. */
  list(): IterableIterator<Endpoint> {
    return this.endpoints.values();
  }

  /** `updated`: an endpoint's names or labels changed. `removed`: it is gone and its linger time is over. */
  onChange(listener: EndpointListener): Disposable {
    this.listeners.add(listener);
    return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
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
    claim.learned = [...claim.learned, formatWords(w0, w1, w2, w3)];
    this.index.addresses.set(w0, w1, w2, w3, id);
    this.describe(claim);
    this.epoch++;
    return true;
  }

  /** Ends what has lingered long enough. The host calls it about once a second. */
  sweep(): void {
    const now = this.now();
    const over = this.retired.filter((r) => r.until <= now);
    if (over.length === 0) return;
    this.retired = this.retired.filter((r) => r.until > now);
    for (const gone of over) {
      this.index.expire(gone.id, gone);
      if (gone.whole) this.remember(gone.id);
    }
    this.epoch++;
  }

  private add(precedence: number, spec: EndpointSpec): Claim {
    const addresses = addressesOf(spec);
    const claim: Claim = { precedence, turn: ++this.turns, spec, addresses, learned: NOTHING, id: 0, into: undefined };
    if (spec.host) this.hostClaims.add(claim);
    this.index.enlist(claim);
    this.settle(claim);
    return claim;
  }

  private update(claim: Claim, spec: EndpointSpec): void {
    const before = claim.spec;
    const gone = new Set(claim.addresses);
    this.index.delist(claim);
    Object.assign(claim, { spec, addresses: addressesOf(spec) });
    for (const text of claim.addresses) gone.delete(text);
    this.index.enlist(claim);
    const lost = (list: readonly number[] = [], now: readonly number[] = []) => list.filter((n) => !now.includes(n));
    const { interfaces, netns } = before;
    this.linger(rootOf(claim).id, [...gone], lost(interfaces, spec.interfaces), lost(netns, spec.netns));
    this.settle(claim, gone);
    if (claim.id !== 0 && describes(before) !== describes(spec)) this.tell('updated', claim.id);
  }

  private drop(claim: Claim): void {
    this.hostClaims.delete(claim);
    this.index.delist(claim);
    if (claim.into) this.linger(claim.into.id, claim.addresses, claim.spec.interfaces, claim.spec.netns);
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
    for (const c of order) this.index.point(c);
    this.hosts.clear();
    for (const c of this.hostClaims) {
      this.hosts.add(c.id);
      for (const text of c.addresses) this.hosts.add(rootOf(this.index.claimantsOf(text)[0]!).id);
    }
    this.epoch++;
  }

  private merge(claim: Claim): void {
    let into: Claim | undefined;
    // The host has many addresses, and a file may give one of them a name of its own: that names no other.
    if (!claim.spec.host) {
      for (const text of claim.addresses) {
        const first = this.index.claimantsOf(text)[0]!;
        if (first.precedence > claim.precedence && (!into || first.precedence > into.precedence)) into = rootOf(first);
      }
    }
    if (into && claim.id !== 0) this.retire(claim);
    claim.into = into;
    if (into) return;
    if (claim.id === 0) this.owners.set((claim.id = ++this.lastId), claim);
    this.describe(claim);
  }

  private describe(claim: Claim): void {
    const { spec, id, addresses, learned } = claim;
    this.endpoints.set(id, toEndpoint(id, spec, learned.length > 0 ? [...addresses, ...learned] : addresses));
  }

  private retire(claim: Claim): void {
    const { id, spec, addresses, learned } = claim;
    this.owners.delete(id);
    this.linger(id, [...addresses, ...learned], spec.interfaces, spec.netns, true);
    claim.learned = NOTHING;
    claim.id = 0;
  }

  /** Keeps what an endpoint lost, or all of it, for a while, for flows that are late. */
  private linger(
    id: number,
    addresses: readonly string[],
    interfaces: readonly number[] = [],
    netns: readonly number[] = [],
    whole = false,
  ): void {
    if (!whole && addresses.length + interfaces.length + netns.length === 0) return;
    this.retired.push({
      id,
      whole,
      until: this.now() + this.lingerMs,
      addresses: addresses.map(wordsOf),
      interfaces,
      netns,
    });
  }

  private remember(id: number): void {
    this.remembered.set(id, this.byId(id));
    this.endpoints.delete(id);
    if (this.remembered.size > MAX_REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
    this.tell('removed', id);
  }

  private tell(change: 'updated' | 'removed', id: number): void {
    for (const listener of this.listeners) listener(change, id);
  }
}
