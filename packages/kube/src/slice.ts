const SHARE_MS = 3;

/**
 * Work in slices. Everything that is sliced shares one piece of each turn of the event loop, however many lists and watches
 * come at once: who finds it used up waits in line, and one of those who wait goes on in each turn.
 */
export class Turns {
  readonly #shareMs: number;
  readonly #now: () => number;
  readonly #line: (() => void)[] = [];
  /** When work of this turn began; undefined while there was none. */
  #since: number | undefined;
  #armed = false;

  constructor(shareMs: number = SHARE_MS, now: () => number = () => performance.now()) {
    this.#shareMs = shareMs;
    this.#now = now;
  }

  /** Whether there is no time left in this turn. Asked before a piece of work, or after it. */
  get over(): boolean {
    this.#since ??= this.#now();
    this.#arm();
    return this.#now() - this.#since > this.#shareMs;
  }

  /** Resolves in a later turn, with a share of its own, after those who have waited for longer. */
  pause(): Promise<void> {
    this.#arm();
    return new Promise((resolve) => this.#line.push(resolve));
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#armed = false;
    const resume = this.#line.shift();
    this.#since = resume && this.#now();
    if (resume) this.#arm(); // also for who waits next, and to begin the next share
    resume?.();
  }
}

/** Those of this process. */
export const turns = new Turns();
