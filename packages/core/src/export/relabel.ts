import { createHash } from 'node:crypto';
import { compilePattern, type Pattern } from './pattern.ts';
import { LABEL, type RelabelRule } from './relabel-config.ts';

/** Changes the values of one row, by slot; false: the row is not wanted. */
type Step = (values: string[]) => boolean;

/** What a list of rules means for a family: decided once, then applied to each row once. */
export interface RelabelPlan {
  /** No row is wanted, whatever its labels. */
  readonly none: boolean;
  readonly name: string;
  readonly labels: readonly string[];
  /** Name and labels are the family's own, so that rows are kept or dropped and nothing else. */
  readonly same: boolean;
  /** Every row is wanted as it is. */
  readonly all: boolean;
  /** Output values of a row, given its own in the family's order; undefined if it is dropped. */
  apply(values: readonly string[]): readonly string[] | undefined;
}

const NAME = '__name__';

export class Relabeling {
  private readonly rules: readonly { readonly rule: RelabelRule; readonly pattern: Pattern }[];

  constructor(rules: readonly RelabelRule[]) {
    this.rules = rules.map((rule) => ({ rule, pattern: compilePattern(rule.regex) }));
  }

  plan(family: string, labels: readonly string[]): RelabelPlan {
    const slots = new Map<string, number>([[NAME, 0]]);
    const there = new Set<string>(labels);
    for (const label of labels) slots.set(label, slots.size);
    const slot = (label: string): number => {
      const known = slots.get(label);
      if (known !== undefined) return known;
      slots.set(label, slots.size);
      return slots.size - 1;
    };
    const steps: Step[] = [];
    let changed = false;
    let name = family;
    let none = false;

    for (const { rule, pattern } of this.rules) {
      const { action, source_labels: sources, separator, replacement, target_label: target } = rule;
      if (action === 'labeldrop' || action === 'labelkeep') {
        for (const label of [...there]) {
          if (pattern.matches(label) !== (action === 'labeldrop')) continue;
          there.delete(label);
          changed = true;
          const at = slot(label);
          steps.push((values) => ((values[at] = ''), true));
        }
        continue;
      }
      if (action === 'labelmap') {
        for (const label of [...there]) {
          const to = pattern.expand(label, replacement);
          if (to === undefined || to === label || !LABEL.test(to) || to === NAME) continue;
          const [from, at] = [slot(label), slot(to)];
          there.add(to);
          changed = true;
          steps.push((values) => ((values[at] = values[from]!), true));
        }
        continue;
      }
      const fixed = sources.every((label) => label === NAME || !there.has(label));
      const join = joiner(sources.map(slot), separator);
      const to = target === undefined ? -1 : slot(target);
      if (action === 'keep' || action === 'drop') {
        const wanted = action === 'keep';
        if (!fixed) steps.push((values) => pattern.matches(join(values)) === wanted);
        else none ||= pattern.matches(sources.map((label) => (label === NAME ? name : '')).join(separator)) !== wanted;
        continue;
      }
      if (action === 'keepequal' || action === 'dropequal') {
        const wanted = action === 'keepequal';
        steps.push((values) => (join(values) === values[to]) === wanted);
        continue;
      }
      const change = changeOf(rule, pattern);
      if (target === NAME) {
        const renamed = change(sources.map(() => name).join(separator)) || name;
        if (renamed !== name) steps.push((values) => ((values[0] = renamed), true));
        name = renamed;
        continue;
      }
      changed = true;
      there.add(target!);
      steps.push((values) => {
        const value = change(join(values));
        if (value !== undefined) values[to] = value;
        return true;
      });
    }

    const out = [...there].filter((label) => !label.startsWith('__'));
    const places = out.map((label) => slots.get(label)!);
    const width = slots.size;
    const same = !changed && name === family;
    return {
      none,
      name,
      labels: out,
      same,
      all: same && !none && steps.length === 0,
      apply(own) {
        const values = new Array<string>(width).fill('');
        values[0] = family;
        for (let i = 0; i < own.length; i++) values[i + 1] = own[i]!;
        for (const step of steps) if (!step(values)) return undefined;
        return same ? own : places.map((place) => values[place]!);
      },
    };
  }
}

/** What a rule writes for a joined value; undefined: nothing. */
function changeOf(rule: RelabelRule, pattern: Pattern): (joined: string) => string | undefined {
  switch (rule.action) {
    case 'lowercase':
      return (joined) => joined.toLowerCase();
    case 'uppercase':
      return (joined) => joined.toUpperCase();
    case 'hashmod': {
      const modulus = BigInt(rule.modulus!);
      return (joined) => String(createHash('md5').update(joined).digest().readBigUInt64BE(8) % modulus);
    }
    default:
      return (joined) => pattern.expand(joined, rule.replacement);
  }
}

function joiner(slots: readonly number[], separator: string): (values: readonly string[]) => string {
  const [first] = slots;
  if (slots.length === 1) return (values) => values[first!]!;
  return (values) => slots.map((at) => values[at]!).join(separator);
}
