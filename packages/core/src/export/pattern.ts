import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

/** Loaded when the first rule is: most agents have none. */
let engine: typeof RE2JS | undefined;

/** An RE2 expression that must match the whole text, with answers kept: rows of a family share most of their values. */
export interface Pattern {
  matches(text: string): boolean;
  /** `template` with `$1`, `${1}` and `${name}` replaced by what the groups matched; undefined where the text does not match. */
  expand(text: string, template: string): string | undefined;
}

const MOST_KEPT = 4096;

/**
 * Compiles an expression. Linear in the length of the text, whatever either is: values may come from packets.
 * @throws an Error with the reason if it is no RE2 expression.
 */
export function compilePattern(expression: string): Pattern {
  engine ??= (createRequire(import.meta.url)('re2js') as { RE2JS: typeof RE2JS }).RE2JS;
  const compiled = engine.compile(expression, engine.DOTALL);
  const names = compiled.namedGroups();
  const known = new Map<string, boolean>();
  const expanded = new Map<string, string | undefined>();
  return {
    matches: (text) => remembered(known, text, () => compiled.matches(text)),
    expand(text, template) {
      return remembered(expanded, `${template}\0${text}`, () => {
        const matcher = compiled.matcher(text);
        if (!matcher.matches()) return undefined;
        return template.replace(
          /\$(?:\$|([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})/g,
          (all, plain?: string, braced?: string) => {
            const group = plain ?? braced;
            if (group === undefined) return '$';
            if (/^\d+$/.test(group)) return Number(group) <= matcher.groupCount() ? (matcher.group(Number(group)) ?? '') : '';
            return group in names ? (matcher.group(group) ?? '') : '';
          },
        ); // prettier-ignore
      });
    },
  };
}

function remembered<T>(known: Map<string, T>, key: string, find: () => T): T {
  const before = known.get(key);
  if (before !== undefined || known.has(key)) return before!;
  if (known.size >= MOST_KEPT) known.clear();
  const found = find();
  known.set(key, found);
  return found;
}
