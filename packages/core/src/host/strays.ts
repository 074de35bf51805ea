import { AsyncLocalStorage } from 'node:async_hooks';

/** One run of a plugin or exporter, as whoever finds an error of its must know it. */
export interface Culprit {
  /** An error that nobody of the component caught: of a promise it forgot, or of a timer or event handler of its own. */
  stray(error: unknown): void;
}

const culprits = new AsyncLocalStorage<Culprit>();
let catching = false;

/** Runs `work` in the name of a component: what goes wrong in anything that it starts, however late, is laid at its door. */
export function inNameOf<T>(culprit: Culprit, work: () => T): T {
  return culprits.run(culprit, work);
}

/**
 * For a process's last-resort handlers (`uncaughtException`, `unhandledRejection`): whether the error they were given is a
 * plugin's or exporter's. The host has then logged and counted it, and the process need not end for it.
 */
export function causedByComponent(): boolean {
  return culprits.getStore() !== undefined;
}

/**
 * From now on no error of a component that nobody caught ends this process. Those of others do what they would without
 * us: they end it, unless somebody else listens for them.
 */
export function catchStrays(): void {
  if (catching) return;
  catching = true;
  for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
    process.on(event, (error: unknown) => {
      const culprit = culprits.getStore();
      if (culprit) culprit.stray(error);
      else if (process.listenerCount(event) === 1) throw error;
    });
  }
}
