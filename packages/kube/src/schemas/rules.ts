import type { z } from 'zod';

/** A rule that spans fields, or a value a pattern cannot explain: for the API server in CEL, for us as a function. */
export interface Rule<T> {
  /** CEL; `self` is the value. */
  readonly cel: string;
  /** The same in TypeScript: whether the value is right. */
  readonly check: (value: T) => boolean;
  /** What to write instead. */
  readonly message: string;
  /** Sub-field the message is shown at: `.include`. */
  readonly fieldPath?: string;
}

/** `schema`, which keeps `rules` here and at the API server, with the same message. */
export function ruled<S extends z.ZodType>(schema: S, ...rules: readonly Rule<z.output<S>>[]): S {
  let result: S = schema;
  for (const { check, message } of rules) result = result.refine((value) => check(value), { error: message });
  const validations = rules.map(({ cel, message, fieldPath }) => ({
    rule: cel,
    message,
    ...(fieldPath ? { fieldPath } : {}),
  }));
  return result.meta({ ...schema.meta(), 'x-kubernetes-validations': validations });
}

/** Whether a text has so many characters at most and matches; `''` counts as not given. */
export function given(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
