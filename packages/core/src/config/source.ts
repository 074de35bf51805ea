import { LineCounter, isMap, isPair, isScalar, isSeq, parseDocument, type Document, type Node } from 'yaml';
import type { ConfigProblem } from './problem.ts';

export type Path = readonly PropertyKey[];

/** `['plugins', 'x', 0]` as `plugins.x[0]`. */
function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i ? '.' : ''}${String(step)}`)).join('');
}

/** A parsed YAML text that knows where each key and value stands, and which ones came from the environment. */
export class ConfigText {
  readonly value: Record<string, unknown>;
  /** Mistakes of YAML itself. */
  readonly problems: readonly ConfigProblem[];
  private readonly document: Document;
  private readonly lines = new LineCounter();
  private readonly origins = new Map<string, string>();

  constructor(text: string) {
    this.document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false });
    const problems: ConfigProblem[] = this.document.errors.map((error) => {
      const { line, col } = this.lines.linePos(error.pos[0]);
      return { path: '', message: `no valid YAML: ${error.message}`, line, column: col };
    });
    const value: unknown = problems.length ? {} : (this.document.toJS() ?? {});
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMapping) {
      problems.push({
        path: '',
        message: 'must be a mapping of keys to values',
        expected: '"key: value" lines',
        line: 1,
        column: 1,
      });
    }
    this.value = isMapping ? (value as Record<string, unknown>) : {};
    this.problems = problems;
  }

  /** Sets a value that an environment variable gives. */
  override(path: readonly string[], value: unknown, variable: string): void {
    let at = this.value;
    for (const step of path.slice(0, -1)) {
      const next = at[step];
      at = at[step] = typeof next === 'object' && next !== null && !Array.isArray(next) ? { ...next } : {};
    }
    at[path.at(-1)!] = value;
    this.origins.set(pathText(path), variable);
  }

  /** The value as written at `path`. */
  at(path: Path): unknown {
    return path.reduce<unknown>(
      (value, step) => (value as Record<PropertyKey, unknown> | undefined)?.[step],
      this.value,
    );
  }

  /** Where `path` stands: its name for a message and, in the file, its line and column. `key` asks for the key, not the value. */
  where(path: Path, key = false): Pick<ConfigProblem, 'path' | 'line' | 'column'> {
    const text = pathText(path);
    const variable = this.origins.get(text);
    if (variable) return { path: `${variable} (${text})` };
    const offset = this.offset(path, key);
    if (offset === undefined) return { path: text };
    const { line, col } = this.lines.linePos(offset);
    return { path: text, line, column: col };
  }

  private offset(path: Path, key: boolean): number | undefined {
    let node: unknown = this.document.contents;
    let found: number | undefined = (node as Node | null)?.range?.[0];
    path.forEach((step, i) => {
      const last = i === path.length - 1;
      let next: unknown;
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
        );
        if (pair) found = (pair.key as Node).range?.[0] ?? found;
        next = pair?.value;
        if (last && key) return;
      } else if (isSeq(node)) {
        next = node.items[Number(step)];
      }
      // A missing value is reported at its parent, an empty one at its key.
      if (isScalar(next) || isMap(next) || isSeq(next))
        found = next.range && next.range[1] > next.range[0] ? next.range[0] : found;
      node = next;
    });
    return found;
  }
}
