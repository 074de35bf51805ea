/** Pauses between attempts: each twice the one before, up to a limit, less up to half by chance. */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  readonly #random: () => number;
  #failures = 0;

  constructor([first, longest]: readonly [number, number], random: () => number = Math.random) {
    this.#first = first;
    this.#longest = longest;
    this.#random = random;
  }

  /** Milliseconds until the next attempt; never less than what the server asked for, of which a quarter is added by chance. */
  next(retryAfterMs = 0): number {
    const pause = Math.min(this.#first * 2 ** Math.min(this.#failures++, 30), this.#longest);
    return Math.max(pause * (1 - this.#random() / 2), retryAfterMs * (1 + this.#random() / 4));
  }

  reset(): void {
    this.#failures = 0;
  }
}
