import type { Claim } from './claim.ts';
import { type EndpointProvider, type EndpointSpec, sameIdentity } from './endpoint-spec.ts';

/** What a provider asks of the table. */
export interface ClaimKeeper {
  add(spec: EndpointSpec): Claim;
  update(claim: Claim, spec: EndpointSpec): void;
  drop(claim: Claim): void;
}

/** A provider's claims by key. */
export function claimProvider(keeper: ClaimKeeper): EndpointProvider {
  const claims = new Map<string, Claim>();
  const put = (spec: EndpointSpec) => {
    const old = claims.get(spec.key);
    if (old && JSON.stringify(old.spec) === JSON.stringify(spec)) return; // equal ones need no work
    if (old && sameIdentity(old.spec, spec)) return keeper.update(old, spec);
    if (old) keeper.drop(old);
    claims.set(spec.key, keeper.add(spec));
  };
  const remove = (key: string) => {
    const old = claims.get(key);
    if (!old) return;
    claims.delete(key);
    keeper.drop(old);
  };
  return {
    put,
    remove,
    keys: () => claims.keys(),
    replace: (specs) => {
      const keys = new Set(specs.map((spec) => spec.key));
      for (const key of [...claims.keys()]) if (!keys.has(key)) remove(key);
      for (const spec of specs) put(spec);
    },
  };
}
