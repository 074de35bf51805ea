import { addressesOf, type EndpointSpec } from './endpoint-spec.ts';

/** Addresses of others that are remembered of one place. */
const MAX_SEEN = 64;

/** What one provider says of one endpoint. */
export interface Claim {
  readonly precedence: number;
  /** Order of arrival: the later of two equals, equally near, wins. */
  readonly turn: number;
  spec: EndpointSpec;
  /** Canonical, each once. */
  addresses: readonly string[];
  /** Addresses seen, not told. */
  learned: readonly string[];
  /** Addresses seen that another claim names: part of `addresses`. */
  bound: readonly string[];
  /** Addresses of others seen so far: 1 as source, 2 as destination, 3 as both. */
  seen: Map<string, number> | undefined;
  /** With an incarnation: key of the claim of this host's that is it. */
  boundBy: string | undefined;
  /** That claim is there. */
  present: boolean;
  /** 0 while it is merged into a claim of higher precedence on one of its addresses. */
  id: number;
  into: Claim | undefined;
}

/** The claim that stands for a claim: itself unless it is merged. */
export function rootOf(claim: Claim): Claim {
  return claim.into ?? claim;
}

export function newClaim(precedence: number, turn: number, spec: EndpointSpec): Claim {
  const addresses = addressesOf(spec);
  const [seen, boundBy, into] = [undefined, undefined, undefined];
  return { precedence, turn, spec, addresses, learned: [], bound: [], seen, boundBy, present: false, id: 0, into };
}

/** A place is gone, or no longer the pod's that it was. */
export function leavePlace({ into, spec }: Claim): void {
  if (into?.boundBy === spec.key) into.present = false;
}

/** Notes a packet from or to an address; whether it has been seen both ways. */
export function bothWays(claim: Claim, text: string, delivered: boolean): boolean {
  const seen = (claim.seen ??= new Map<string, number>());
  const ways = (seen.get(text) ?? 0) | (delivered ? 2 : 1);
  if (ways === 3) claim.seen = undefined;
  else if (seen.size < MAX_SEEN || seen.has(text)) seen.set(text, ways);
  else claim.seen = undefined; // a scanner's: begin afresh
  return ways === 3;
}

/** Whether a claim on an address of another's can be the same thing: what has been found elsewhere is not here as well. */
export function mayBe(claim: Claim, other: Claim): boolean {
  if (!claim.spec.anonymous) return true;
  if (other.spec.kind !== 'pod') return false; // a service's address may be kept in a pod
  return other.boundBy === undefined || other.boundBy === claim.spec.key;
}

/** Interface indexes or namespace inodes to endpoint ids, with the claim that holds each. */
export class NumberIndex {
  private readonly ids = new Map<number, number>();
  private readonly holders = new Map<number, Claim>();
  private readonly uses = new Map<number, number>();

  get(key: number): number {
    return this.ids.get(key) ?? 0;
  }

  /** Whether any key leads to an id. */
  leadsTo(id: number): boolean {
    return this.uses.has(id);
  }

  claim(key: number, holder: Claim, id: number): void {
    this.holders.set(key, holder);
    const before = this.get(key);
    if (before === id) return;
    this.use(before, -1);
    this.ids.set(key, id);
    this.use(id, 1);
  }

  /** The holder lets go; the id stays until it expires or another claim takes its place. */
  release(key: number, holder: Claim): void {
    if (this.holders.get(key) === holder) this.holders.delete(key);
  }

  expire(key: number, id: number): void {
    if (this.holders.has(key) || this.get(key) !== id) return;
    this.ids.delete(key);
    this.use(id, -1);
  }

  private use(id: number, by: number): void {
    const uses = (this.uses.get(id) ?? 0) + by;
    if (uses > 0) this.uses.set(id, uses);
    else this.uses.delete(id);
  }
}
