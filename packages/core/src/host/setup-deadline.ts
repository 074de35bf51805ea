import { RetinaError } from '@retina/sdk';
import type { HostScope } from './scope.ts';

/** Waits for `setup`, at most `ms` milliseconds and no longer than its scope lives; what it does afterwards is nobody's business. */
export async function withDeadline(scope: HostScope, who: string, ms: number, setup: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<never>((_, reject) => {
    const abort = () => reject(scope.signal.reason as Error);
    if (scope.signal.aborted) abort();
    scope.signal.addEventListener('abort', abort, { once: true });
    timer = setTimeout(() => {
      reject(
        new RetinaError('RETINA_SETUP_TIMEOUT', `${who} did not finish setting up`, {
          found: `still at: ${scope.step}`,
          needed: `an end within ${ms / 1000} s`,
          next: 'do lasting work in a task (ctx.every), not in setup; it is tried again',
          retryable: true,
        }),
      );
    }, ms);
  });
  setup.catch((error: unknown) => {
    if (scope.ended) scope.log.warn('setup failed after its scope had ended', { error: String(error) });
  });
  try {
    await Promise.race([setup, ended]);
  } finally {
    clearTimeout(timer);
  }
}
