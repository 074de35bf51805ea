/** A failure the reader can do something about: what was found, what was needed, what to do next. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  /** Anything long, shown below the message: a compiler's output. */
  readonly detail: string;

  constructor(summary: string, parts: { found?: string; needed?: string; next?: string; detail?: string } = {}) {
    const text = [summary];
    if (parts.found) text.push(`found: ${parts.found}`);
    if (parts.needed) text.push(`needed: ${parts.needed}`);
    if (parts.next) text.push(`next: ${parts.next}`);
    super(text.join('; '));
    this.detail = parts.detail ?? '';
  }
}
