import { setTimeout as sleep } from 'node:timers/promises';

/** What becomes of a key whose work failed. */
export type Verdict =
  /** Tried again after a pause of its own, twice as long each time. */
  | 'later'
  /** It is nothing about this key: everything waits, twice as long each time. */
  | 'wait'
  | 'drop';

export interface WorkQueueOptions {
  /** Does what a key needs. `write` waits for its turn by the rate; call it before each request. */
  readonly work: (key: string, write: () => Promise<void>) => Promise<void>;
  readonly onError: (key: string, error: unknown, attempt: number) => Verdict;
  /** Keys worked on at a time. */
  readonly concurrency: number;
  /** Requests per second on average, and at once after a quiet time. */
  readonly rate: number;
  readonly burst: number;
  /** First and longest pause after a failure, milliseconds. */
  readonly backoffMs?: readonly [number, number];
  /**
   * Milliseconds for which keys gather before they are worked on; default 0. A pod that starts changes several times within
   * moments, and requests that are made together cost less than each by itself.
   */
  readonly gatherMs?: number;
}

/**
 * Keys with work to do, each at most once however often it is added, and worked on by one at a time: a key added while it
 * is worked on comes again afterwards. First come, first served.
 */
export class WorkQueue {
  /** Keys added while they were waiting already. */
  coalesced = 0;
  private readonly options: WorkQueueOptions;
  private readonly bucket: TokenBucket;
  private readonly first: number;
  private readonly longest: number;
  private readonly waiting = new Map<string, number>(); // when it was added
  private readonly running = new Set<string>();
  private readonly attempts = new Map<string, number>();
  private readonly delayed = new Map<string, NodeJS.Timeout>();
  private waitUntil = 0;
  private waits = 0;
  private wake: (() => void) | undefined;
  private gathering: NodeJS.Timeout | undefined;

  constructor(options: WorkQueueOptions) {
    this.options = options;
    this.bucket = new TokenBucket(options.rate, options.burst);
    [this.first, this.longest] = options.backoffMs ?? [500, 60_000];
  }

  /** Keys that wait, those after a failure included. */
  get length(): number {
    return this.waiting.size + this.delayed.size;
  }

  /** Milliseconds the key that waits longest has waited. */
  get oldestMs(): number {
    const [oldest] = this.waiting.values();
    return oldest === undefined ? 0 : performance.now() - oldest;
  }

  add(key: string): void {
    const timer = this.delayed.get(key);
    // News about a key is no reason to hammer with it: it keeps its pause.
    if (timer) return void this.coalesced++;
    if (this.waiting.has(key)) return void this.coalesced++;
    this.waiting.set(key, performance.now());
    const { gatherMs = 0 } = this.options;
    if (gatherMs === 0) return this.wake?.();
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      this.wake?.();
    }, gatherMs);
  }

  /** Works until `signal` aborts; returns when nothing is worked on any more. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.wake?.();
    signal.addEventListener('abort', stop, { once: true });
    const workers = Array.from({ length: this.options.concurrency }, () => this.worker(signal));
    await Promise.all(workers);
    for (const timer of this.delayed.values()) clearTimeout(timer);
    this.delayed.clear();
    clearTimeout(this.gathering);
    signal.removeEventListener('abort', stop);
  }

  private async worker(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pause = this.waitUntil - performance.now();
      if (pause > 0) {
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        continue;
      }
      const key = this.take();
      if (key === undefined) {
        await this.news();
        continue;
      }
      this.running.add(key);
      try {
        await this.options.work(key, () => this.bucket.take(signal));
        this.attempts.delete(key);
        this.waits = 0;
      } catch (error) {
        if (!signal.aborted) this.failed(key, error);
      } finally {
        this.running.delete(key);
        // It may have been added meanwhile, when nobody could take it.
        if (this.waiting.has(key)) this.wake?.();
      }
    }
    this.wake?.();
  }

  private take(): string | undefined {
    for (const key of this.waiting.keys()) {
      if (this.running.has(key)) continue;
      this.waiting.delete(key);
      return key;
    }
    return undefined;
  }

  private news(): Promise<void> {
    return new Promise((resolve) => {
      const others = this.wake;
      this.wake = () => {
        this.wake = undefined;
        others?.();
        resolve();
      };
    });
  }

  private failed(key: string, error: unknown): void {
    const attempt = (this.attempts.get(key) ?? 0) + 1;
    const verdict = this.options.onError(key, error, attempt);
    if (verdict === 'drop') return void this.attempts.delete(key);
    this.attempts.set(key, attempt);
    if (verdict === 'wait') {
      // Workers that fail together wait together.
      if (this.waitUntil <= performance.now()) this.waitUntil = performance.now() + this.pause(++this.waits);
      return this.add(key);
    }
    const timer = setTimeout(() => {
      this.delayed.delete(key);
      this.add(key);
    }, this.pause(attempt));
    this.delayed.set(key, timer);
  }

  private pause(attempt: number): number {
    const longest = Math.min(this.longest, this.first * 2 ** Math.min(attempt - 1, 20));
    return longest * (0.5 + Math.random() / 2);
  }
}

/** Lets `rate` through per second, and `burst` at once after a quiet time. */
export class TokenBucket {
  private readonly rate: number;
  private readonly burst: number;
  private tokens: number;
  private at = performance.now();

  constructor(rate: number, burst: number) {
    this.rate = rate;
    this.burst = burst;
    this.tokens = burst;
  }

  /** Waits for its turn; throws the signal's reason when that aborts. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const now = performance.now();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.at) / 1000) * this.rate);
    this.at = now;
    this.tokens -= 1; // may be a debt: who comes next waits longer
    if (this.tokens < 0) await sleep((-this.tokens / this.rate) * 1000, undefined, { signal });
  }
}
