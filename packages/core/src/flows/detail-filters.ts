import { type FlowBatch, type FlowPredicate, Verdict } from '@retina/sdk';
import type { FlowNames } from './json.ts';

/** Kinds of records as Hubble's `--type` has them: an exchange of an application, a drop, a policy's decision, and the rest. */
export const FLOW_TYPES: Readonly<Record<string, FlowPredicate>> = {
  l7: (batch, row) => isDns(batch, row),
  drop: (batch, row) => batch.verdict(row) === Verdict.DROPPED,
  'policy-verdict': (batch, row) => batch.details(row)?.policies !== undefined,
  trace: (batch, row) => !isDns(batch, row) && batch.verdict(row) !== Verdict.DROPPED,
};

export function isDns(batch: FlowBatch, row: number): boolean {
  return batch.details(row)?.dns !== undefined;
}

/** Records one of whose ends has such a name, or that ask for it. `*` stands for any text; case does not matter. */
export function byName(patterns: readonly string[], names: FlowNames): FlowPredicate {
  const wanted = patterns.map((pattern) => globOf(pattern));
  const fits = (name: string) => wanted.some((one) => one(name.toLowerCase()));
  return (batch, row) => {
    const dns = batch.details(row)?.dns;
    if (dns && fits(dns.query)) return true;
    if (!names.addressNames) return false;
    return (
      names.addressNames(batch.sourceAddress(row)).some(fits) ||
      names.addressNames(batch.destinationAddress(row)).some(fits)
    );
  };
}

/** Patterns come from people and names from packets: no regular expression that could take for ever. */
function globOf(pattern: string): (text: string) => boolean {
  const [first = '', ...rest] = pattern.toLowerCase().replace(/\.$/, '').split('*');
  const last = rest.pop();
  if (last === undefined) return (text) => text === first;
  return (text) => {
    if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= text.length - last.length;
  };
}
