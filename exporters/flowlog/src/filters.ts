import type { FlowFilterTerms, FlowPredicate, FlowReader } from '@retina/sdk';

export interface Selection {
  readonly allow: readonly { readonly [key: string]: string | readonly string[] | undefined }[];
  readonly deny: Selection['allow'];
}

/** What is allowed by one filter, or by default, and denied by none. Throws RETINA_REQUEST_INVALID for values nobody understands. */
export function selection(flows: FlowReader, { allow, deny }: Selection): FlowPredicate {
  const build = (filters: Selection['allow']) => filters.map((terms) => flows.filter(known(terms)));
  const [allowed, denied] = [build(allow), build(deny)];
  if (allowed.length === 0 && denied.length === 0) return () => true;
  return (batch, row) => {
    for (const fits of denied) if (fits(batch, row)) return false;
    if (allowed.length === 0) return true;
    for (const fits of allowed) if (fits(batch, row)) return true;
    return false;
  };
}

function known(terms: Selection['allow'][number]): FlowFilterTerms {
  return Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
}
