import { RetinaError } from '@retina/sdk';

/** One mistake in a configuration, or, as a warning, something in it that has no effect. */
export interface ConfigProblem {
  /** Dotted, list entries as `[0]`: `plugins.packetparser.required`; the name of the environment variable where it came from there. */
  readonly path: string;
  /** What is wrong, one clause. */
  readonly message: string;
  /** The value as written, shortened. */
  readonly found?: string;
  readonly expected?: string;
  /** The key or value that was probably meant. */
  readonly nearest?: string;
  /** Position in the file, from 1. */
  readonly line?: number;
  readonly column?: number;
}

/** RETINA_CONFIG_INVALID with every mistake in the configuration, in the order of the file. */
export class ConfigError extends RetinaError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], file?: string) {
    const n = problems.length;
    const lines = problems.map((p) => formatProblem(p, file));
    super(
      'RETINA_CONFIG_INVALID',
      `the configuration has ${n} ${n === 1 ? 'mistake' : 'mistakes'}:\n${lines.join('\n')}`,
      {
        detail: lines.join('\n'),
      },
    );
    this.problems = problems;
  }
}

/** `retina.yaml:3:5 plugins.x.port: must be a number; found: "ten"; expected: number; did you mean …?` */
export function formatProblem(problem: ConfigProblem, file?: string): string {
  const where = problem.line === undefined ? [] : [file, problem.line, problem.column];
  const parts = [`${problem.path || '(top level)'}: ${problem.message}`];
  if (problem.found !== undefined) parts.push(`found: ${problem.found}`);
  if (problem.expected !== undefined) parts.push(`expected: ${problem.expected}`);
  if (problem.nearest !== undefined) parts.push(`did you mean ${problem.nearest}?`);
  const at = where.filter((part) => part !== undefined).join(':');
  return `  ${at ? `${at} ` : ''}${parts.join('; ')}`;
}

/** A value as a message shows it: JSON, at most 60 characters. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
