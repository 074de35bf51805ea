import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { show, type ConfigProblem } from './problem.ts';
import { keysAt } from './schema-walk.ts';
import type { ConfigText, Path } from './source.ts';

type Issue = z.core.$ZodIssue;

/**
 * Checks `value`, which stands at `base` in the file, against `schema`. Mistakes are added to `problems`; the result is
 * undefined if there are any.
 */
export function validate<S extends z.ZodType>(
  schema: S,
  value: unknown,
  text: ConfigText,
  base: Path,
  problems: ConfigProblem[],
): z.output<S> | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) problems.push(...toProblems(issue, schema, value, text, base));
  return undefined;
}

function toProblems(issue: Issue, schema: z.ZodType, value: unknown, text: ConfigText, base: Path): ConfigProblem[] {
  const path = [...base, ...issue.path];
  const found = issue.path.reduce<unknown>(
    (at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step],
    value,
  );
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const keys = keysAt(schema, issue.path);
        const near = nearest(key, keys);
        return {
          ...text.where([...path, key], true),
          message: 'unknown key',
          ...(near ? { nearest: near } : keys.length ? { expected: `one of ${keys.join(', ')}` } : {}),
        };
      });
    case 'invalid_value': {
      const values = issue.values.map(String);
      const near = typeof found === 'string' ? nearest(found, values) : undefined;
      return [
        {
          ...text.where(path),
          message: 'not one of the values this setting takes',
          found: show(found),
          expected: values.join(' | '),
          ...(near ? { nearest: near } : {}),
        },
      ];
    }
    case 'invalid_type':
      return [
        {
          ...text.where(path),
          message: found === undefined ? 'missing' : 'of the wrong type',
          found: found === undefined ? 'nothing' : `${show(found)} (${typeName(found)})`,
          expected: issue.expected === 'record' ? 'object' : issue.expected,
        },
      ];
    case 'too_small':
      return [{ ...text.where(path), message: 'too small', found: show(found), expected: `at least ${issue.minimum}` }];
    case 'too_big':
      return [{ ...text.where(path), message: 'too big', found: show(found), expected: `at most ${issue.maximum}` }];
    case 'invalid_union': {
      const expected = issue.errors.flatMap((branch) => branch.map(expectation));
      return [
        {
          ...text.where(path),
          message: 'of no accepted form',
          found: show(found),
          expected: [...new Set(expected)].join(' | '),
        },
      ];
    }
    default:
      return [{ ...text.where(path), message: issue.message, found: show(found) }];
  }
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_value') return issue.values.map(String).join(' | ');
  return issue.code === 'invalid_type' ? issue.expected : issue.message;
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
