import { z } from 'zod';
import { compilePattern } from './pattern.ts';

const ACTIONS = [
  'replace', 'keep', 'drop', 'keepequal', 'dropequal', 'hashmod', 'labelmap', 'labeldrop', 'labelkeep', 'lowercase', 'uppercase',
] as const; // prettier-ignore
const WITH_TARGET: readonly string[] = ['replace', 'hashmod', 'lowercase', 'uppercase', 'keepequal', 'dropequal'];
/** What a label may be called. */
export const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

const rule = z
  .strictObject({
    source_labels: z.array(z.string().regex(LABEL)).default([]).describe('Labels whose values are joined.'),
    separator: z.string().default(';').describe('Stands between the joined values.'),
    target_label: z.string().optional().describe('The label that is written.'),
    regex: z.string().default('(.*)').describe('RE2 expression that the whole of the joined value must match.'),
    modulus: z.int().min(1).optional().describe("Of the joined value's hash (hashmod)."),
    replacement: z
      .string()
      .default('$1')
      .describe('What is written; $1 or ${name} stand for groups of the expression.'),
    action: z
      .preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value), z.enum(ACTIONS))
      .default('replace')
      .describe('What is done with a match.'),
  })
  .superRefine((one, ctx) => {
    const wrong = (key: string, message: string) => ctx.addIssue({ code: 'custom', path: [key], message });
    try {
      compilePattern(one.regex);
    } catch (error) {
      wrong('regex', `is no RE2 expression: ${(error as Error).message}`);
    }
    if (WITH_TARGET.includes(one.action)) {
      if (one.target_label === undefined) wrong('target_label', `the action ${one.action} needs one`);
      else if (!LABEL.test(one.target_label)) {
        wrong('target_label', 'must be the name of a label (a name made of parts of the value is not supported)');
      } else if (one.target_label === '__name__' && one.source_labels.some((label) => label !== '__name__')) {
        wrong('target_label', 'a name can only be made from source_labels: [__name__]');
      }
    }
    if (one.action === 'hashmod' && one.modulus === undefined) wrong('modulus', 'the action hashmod needs one');
    if (one.action === 'hashmod' && one.target_label === '__name__') wrong('target_label', 'a name is no hash');
  });

/** A list of rules in the terms of Prometheus' relabel_config. */
export const relabelConfigs = z.array(rule);
export type RelabelRule = z.output<typeof rule>;
