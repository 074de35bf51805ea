import type { FlowFilterTerms, FlowPredicate, FlowReader } from './flow-json.ts';

/** A filter as options hold it: terms that were left out may be there as undefined. */
type Terms = { readonly [K in keyof FlowFilterTerms]: FlowFilterTerms[K] | undefined };

/**
 * Which records an exporter wants whose options have two lists of filters: those that any of `include` fits, or all if it is empty, and
 * none of `exclude`. Throws RETINA_REQUEST_INVALID for values nobody understands.
 */
export function flowSelection(
  reader: Pick<FlowReader, 'filter'>,
  include: readonly Terms[],
  exclude: readonly Terms[],
): FlowPredicate {
  const build = (filters: readonly Terms[]) => filters.map((terms) => reader.filter(given(terms)));
  const [wanted, unwanted] = [build(include), build(exclude)];
  if (wanted.length === 0 && unwanted.length === 0) return () => true;
  return (batch, row) => {
    for (const fits of unwanted) if (fits(batch, row)) return false;
    if (wanted.length === 0) return true;
    for (const fits of wanted) if (fits(batch, row)) return true;
    return false;
  };
}

function given(terms: Terms): FlowFilterTerms {
  return Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined));
}
