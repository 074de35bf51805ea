/** One thing the contract asks. `check` throws when it does not hold. */
export interface Rule {
  readonly name: string;
  /** Undefined: it can be checked here; else why not. */
  readonly skip?: string | undefined;
  /** Milliseconds it may take. Default 30 000. */
  readonly timeoutMs?: number;
  readonly check: () => void | Promise<void>;
}

/** What a broken rule throws. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
}

/** Throws when there are problems, with all of them. */
export function none(problems: readonly string[]): void {
  if (problems.length) throw new ContractError(problems.join('\n'));
}

export function must(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new ContractError(otherwise);
}
