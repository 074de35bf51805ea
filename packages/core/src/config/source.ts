import { LineCounter, isMap, isPair, isScalar, isSeq, parseDocument, type Document, type Node } from 'yaml';
import { CORE_SCHEMA, load } from 'js-yaml';
import type { ConfigProblem } from './problem.ts';

export type Path = readonly PropertyKey[];

/** `['plugins', 'x', 0]` as `plugins.x[0]`. */
function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i ? '.' : ''}${String(step)}`)).join('');
}

/** Above that many characters a syntax tree costs more than is worth it for a text that is most likely right: see quickly(). */
const LARGE = 64 * 1024;

interface Tree {
  readonly document: Document;
  readonly lines: LineCounter;
}

/** A parsed YAML text that knows where each key and value stands, and which ones came from the environment. */
export class ConfigText {
  readonly value: Record<string, unknown>;
  /** Mistakes of YAML itself. */
  readonly problems: readonly ConfigProblem[];
  private readonly text: string;
  /** Made when it is needed: for mistakes, and for where something stands. */
  private made: Tree | undefined;
  private readonly origins = new Map<string, string>();

  constructor(text: string) {
    this.text = text;
    const quick = text.length > LARGE ? quickly(text) : undefined;
    const problems: ConfigProblem[] = quick === undefined ? this.mistakes() : [];
    const value: unknown = quick ?? (problems.length ? {} : this.resolved(problems));
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

  private get tree(): Tree {
    if (!this.made) {
      const lines = new LineCounter();
      this.made = { document: parseDocument(this.text, { lineCounter: lines, prettyErrors: false }), lines };
    }
    return this.made;
  }

  private mistakes(): ConfigProblem[] {
    const { document, lines } = this.tree;
    return document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { path: '', message: `no valid YAML: ${error.message}`, line, column: col };
    });
  }

  /** The document with its aliases in place: those without an anchor, and those that multiply, are found only now. */
  private resolved(problems: ConfigProblem[]): unknown {
    try {
      return this.tree.document.toJS() ?? {};
    } catch (error) {
      problems.push({ path: '', message: `no valid YAML: ${(error as Error).message}`, line: 1, column: 1 });
      return {};
    }
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
    const { line, col } = this.tree.lines.linePos(offset);
    return { path: text, line, column: col };
  }

  private offset(path: Path, key: boolean): number | undefined {
    let node: unknown = this.tree.document.contents;
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

/**
 * The value of a large text without its syntax tree, at a tenth of the time and a quarter of the memory; undefined where that
 * one has to say what is wrong. Texts with anchors are left to it as well: it bounds what their aliases multiply to.
 */
function quickly(text: string): unknown {
  if (text.includes('&')) return undefined;
  try {
    return load(text, { schema: CORE_SCHEMA });
  } catch {
    return undefined;
  }
}
