import { RetinaError } from '@retina/sdk';
import type { HostScope } from './scope.ts';

/**
 * Waits for `setup`, at most `ms` milliseconds and no longer than its scope lives; what it does afterwards is nobody's business.
 * Where the kernel is at work when the time is up (many plugins that load at once on a slow node), it is given anew: to give
 * up and load again would take longer still.
 */
export async function withDeadline(scope: HostScope, who: string, ms: number, setup: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const ended = new Promise<never>((_, reject) => {
    const abort = () => reject(scope.signal.reason as Error);
    if (scope.signal.aborted) abort();
    scope.signal.addEventListener('abort', abort, { once: true });
    const late = () => {
      if (scope.inKernel) {
        scope.log.warn('setting up takes long; it goes on', { step: scope.step });
        void scope.inKernel.catch(() => undefined).then(() => over || (timer = setTimeout(late, ms)));
        return;
      }
      reject(
        new RetinaError('RETINA_SETUP_TIMEOUT', `${who} did not finish setting up`, {
          found: `still at: ${scope.step}`,
          needed: `an end within ${ms / 1000} s`,
          next: 'do lasting work in a task (ctx.every), not in setup; it is tried again',
          retryable: true,
        }),
      );
    };
    timer = setTimeout(late, ms);
  });
  setup.catch((error: unknown) => {
    if (scope.ended) scope.log.warn('setup failed after its scope had ended', { error: String(error) });
  });
  try {
    await Promise.race([setup, ended]);
  } finally {
    over = true;
    clearTimeout(timer);
  }
}
