import type { Logger } from '@retina/sdk';

/** Time everything may take from the first signal; Kubernetes and systemd give more, a person at a terminal less. */
const DEADLINE_MS = 4500;
/** Signals this close together are one key press: npm passes on what the terminal has already sent to everybody. */
const ONE_PRESS_MS = 400;

/**
 * Runs `close` once, at SIGTERM, SIGINT or {@link Shutdown.end}, and leaves the process within 5 s: with `close` done, or
 * without it (exit code 1). A second Ctrl-C leaves at once: links end with the process in any case.
 */
export class Shutdown {
  private readonly log: Logger;
  private readonly close: () => Promise<void>;
  /** Whether the end has begun. */
  ending = false;
  private pressed = -Infinity;

  /** `contained`: whether the error a last-resort handler was given has been dealt with by the host. */
  constructor(log: Logger, contained: () => boolean, close: () => Promise<void>) {
    this.log = log;
    this.close = close;
    process.on('SIGTERM', () => this.end(0, 'SIGTERM'));
    process.on('SIGINT', () => {
      const now = performance.now();
      if (this.ending && now - this.pressed > ONE_PRESS_MS) process.exit(130);
      if (!this.ending) this.pressed = now;
      this.end(0, 'SIGINT');
    });
    process.on('uncaughtException', (error) => {
      if (contained()) return;
      log.error('an error nobody caught ends the agent', { error: error.stack ?? error.message });
      this.end(1, 'uncaught error');
    });
    // A promise somebody forgot costs its own work only.
    process.on('unhandledRejection', (reason) => {
      if (contained()) return;
      log.error('a rejected promise nobody awaited', {
        error: reason instanceof Error ? reason.stack : String(reason),
      });
    });
  }

  /** Ends the process with `code`; returns at once. */
  end(code: number, why: string): void {
    if (this.ending) return;
    this.ending = true;
    this.log.info('ending', { why });
    const late = setTimeout(() => {
      this.log.error('ended without having released everything in time', { deadlineMs: DEADLINE_MS });
      process.exit(1);
    }, DEADLINE_MS);
    void this.close()
      .then(() => code)
      .catch((error: unknown) => {
        this.log.error('releasing failed', {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
        return 1;
      })
      .then((exitCode) => {
        clearTimeout(late);
        this.log.info('ended');
        process.exit(exitCode);
      });
  }
}
