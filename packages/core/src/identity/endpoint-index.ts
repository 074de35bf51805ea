import { formatWords } from './address.ts';
import { AddressMap } from './address-map.ts';
import { type Claim, NumberIndex, rootOf } from './claim.ts';
import { type Words, wordsOf } from './endpoint-spec.ts';

/** What leads to an endpoint. */
export interface Holdings {
  readonly addresses: readonly Words[];
  readonly interfaces: readonly number[];
  readonly netns: readonly number[];
}

/** What an endpoint lost, or all of one that is gone, while late flows may still show it. */
export interface Retired extends Holdings {
  readonly id: number;
  /** The endpoint itself is gone, not only some of its addresses. */
  readonly whole: boolean;
  readonly until: number;
}

/** From addresses, interfaces and namespaces to endpoint ids, and who claims which address. */
export class EndpointIndex {
  readonly addresses = new AddressMap();
  readonly interfaces = new NumberIndex();
  readonly namespaces = new NumberIndex();
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

  /** Makes look-ups find what a claim's endpoint is now. */
  point(claim: Claim): void {
    const { id } = rootOf(claim);
    for (const text of claim.addresses) this.addresses.set(...wordsOf(text), rootOf(this.claimantsOf(text)[0]!).id);
    for (const i of claim.spec.interfaces ?? []) this.interfaces.claim(i, claim, id);
    for (const n of claim.spec.netns ?? []) this.namespaces.claim(n, claim, id);
  }

  /** Forgets what still leads to an id and is claimed by nobody. */
  expire(id: number, { addresses, interfaces, netns }: Holdings): void {
    for (const w of addresses) {
      if (this.addresses.get(...w) === id && !this.claimants.has(formatWords(...w))) this.addresses.delete(...w);
    }
    for (const i of interfaces) this.interfaces.expire(i, id);
    for (const n of netns) this.namespaces.expire(n, id);
  }
}

/** Namespaces nobody here is linked to may have the same private addresses as the host or its neighbours. */
function nearness({ spec }: Claim): number {
  if (spec.host) return 2;
  return spec.near ? 1 : 0;
}
