import { createServer } from 'node:net';
import type { Config } from '@retina/core';
import { RetinaError } from '@retina/sdk';

/** In the abstract namespace, which belongs to the network namespace, holds no file, and ends with the process. */
const NAME = '\0retina-agent';

export interface NamespaceLock extends Disposable {
  /** Whether this agent is the only one in its network namespace. */
  readonly held: boolean;
}

/**
 * Finds out whether another agent observes this network namespace. Several may, with sockets and ports of their own; but
 * clsact filters carry no owner, so only one alone may clear up after a dead one, and clsact wants to be alone.
 */
export async function holdNamespace(config: Config): Promise<NamespaceLock> {
  const server = createServer();
  const held = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(NAME, () => resolve(true));
  });
  server.unref();
  if (!held && config.taps.mode === 'clsact') {
    throw new RetinaError('RETINA_LISTEN_FAILED', 'Another agent observes this network namespace', {
      found: 'enableTCX: off, which needs the clsact hooks for this agent alone',
      next: 'stop the other agent, or set enableTCX to auto on a kernel with tcx (6.6 and later)',
    });
  }
  return {
    held,
    [Symbol.dispose]: () => {
      if (held) server.close();
    },
  };
}
