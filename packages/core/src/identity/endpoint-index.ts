import { formatWords } from './address.ts';
import { AddressMap } from './address-map.ts';
import { type Claim, NumberIndex, rootOf } from './claim.ts';
import { type Words, wordsOf } from './endpoint-spec.ts';
import { FormerOwners, PRESENT } from './former-owners.ts';

/** What leads to an endpoint. */
export interface Holdings {
  readonly addresses: readonly Words[];
  readonly interfaces: readonly number[];
  readonly netns: readonly number[];
}

/** From addresses, interfaces and namespaces to endpoint ids, and who claims which address. */
export class EndpointIndex {
  readonly addresses = new AddressMap();
  readonly interfaces = new NumberIndex();
  readonly namespaces = new NumberIndex();
  /** Ids of endpoints that turned out to be those who have their addresses next: nobody named them, or under another name. */
  readonly passing = new Set<number>();
  private readonly former = new FormerOwners();
  /** Most addresses are claimed once: a list each would be most of what an endpoint takes. */
  private readonly claimants = new Map<string, Claim | readonly Claim[]>();

  /** Who claims an address, the one that counts first. */
  claimantsOf(text: string): readonly Claim[] {
    const found = this.claimants.get(text);
    return found === undefined ? [] : 'length' in found ? found : [found];
  }

  /** Whether an endpoint is among those who claim an address. */
  claims(id: number, text: string): boolean {
    return this.claimantsOf(text).some((claim) => rootOf(claim).id === id);
  }

  enlist(claim: Claim): void {
    for (const text of claim.addresses) {
      const list = [...this.claimantsOf(text), claim];
      list.sort((a, b) => b.precedence - a.precedence || nearness(b) - nearness(a) || b.turn - a.turn);
      this.claimants.set(text, list.length === 1 ? claim : list);
    }
  }

  delist(claim: Claim): void {
    for (const text of claim.addresses) {
      const rest = this.claimantsOf(text).filter((c) => c !== claim);
      if (rest.length > 1) this.claimants.set(text, rest);
      else if (rest.length === 1) this.claimants.set(text, rest[0]!);
      else this.claimants.delete(text);
    }
    for (const i of claim.spec.interfaces ?? []) this.interfaces.release(i, claim);
    for (const n of claim.spec.netns ?? []) this.namespaces.release(n, claim);
  }

  /** Whether the answer for an address depends on the time asked for. */
  changed(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.former.size > 0 && this.former.last(w0, w1, w2, w3) !== 0;
  }

  /** Who had an address at a time, in milliseconds since the Unix epoch; 0 for nobody who is known. */
  at(w0: number, w1: number, w2: number, w3: number, time: number): number {
    const { former } = this;
    const present = this.addresses.get(w0, w1, w2, w3);
    if (former.size === 0) return present;
    const then = former.at(w0, w1, w2, w3, time);
    if (then !== PRESENT) return then;
    return former.last(w0, w1, w2, w3) === present ? 0 : present;
  }

  /** An endpoint let go of addresses. */
  leave(id: number, addresses: readonly string[], now: number): void {
    for (const text of addresses) if (!this.claimants.has(text)) this.former.add(wordsOf(text), id, now);
  }

  /** Makes look-ups find what a claim's endpoint is now. */
  point(claim: Claim, now: number): void {
    const { id } = rootOf(claim);
    for (const text of claim.addresses) this.own(wordsOf(text), rootOf(this.claimantsOf(text)[0]!), now);
    for (const i of claim.spec.interfaces ?? []) this.interfaces.claim(i, claim, id);
    for (const n of claim.spec.netns ?? []) this.namespaces.claim(n, claim, id);
  }

  /** Forgets what still leads to an id and is claimed by nobody. */
  expire(id: number, { addresses, interfaces, netns }: Holdings): void {
    for (const w of addresses) {
      if (this.addresses.get(...w) === id && !this.claimants.has(formatWords(...w))) this.addresses.delete(...w);
      this.former.expire(w, id);
    }
    for (const i of interfaces) this.interfaces.expire(i, id);
    for (const n of netns) this.namespaces.expire(n, id);
  }

  private own(address: Words, { id, spec }: Claim, now: number): void {
    const before = this.addresses.get(...address);
    // Until somebody said who it is, it was the same one already.
    if (before !== 0 && before !== id && !this.passing.has(before)) this.former.add(address, before, now);
    this.addresses.set(...address, id);
    if (spec.anonymous) this.passing.add(id);
    else this.former.resume(address, id);
  }
}

/** Namespaces nobody here is linked to may have the same private addresses as the host or its neighbours. */
function nearness({ spec }: Claim): number {
  if (spec.host) return 2;
  return spec.near ? 1 : 0;
}
