import { fileURLToPath } from 'node:url';
import type { Namespace } from '@retina/testkit';
import type { Ask } from './peer.ts';

const PEER = fileURLToPath(new URL('peer.ts', import.meta.url));

/** A real DNS server in a namespace; `stop` says what it took and gave. */
export async function serveDns(where: Namespace) {
  const running = where.spawn(process.execPath, [PEER, 'serve']);
  await running.output(/^ready$/m);
  return {
    async stop(): Promise<{ queries: number; responses: number }> {
      running.kill('SIGTERM');
      await running.ended;
      return JSON.parse(running.stdout.trim().split('\n').at(-1)!) as { queries: number; responses: number };
    },
  };
}

/** Asks from a namespace; how many answers came. */
export async function askDns(from: Namespace, ask: Ask): Promise<number> {
  const { stdout } = await from.exec(process.execPath, [PEER, 'ask', JSON.stringify(ask)]);
  return Number(stdout);
}

/** Asks as programs do: the number of addresses of each name, or the error's code. */
export async function resolveDns(
  from: Namespace,
  server: string,
  names: readonly string[],
): Promise<(number | string)[]> {
  const { stdout } = await from.exec(process.execPath, [PEER, 'resolve', server, ...names]);
  return JSON.parse(stdout) as (number | string)[];
}

/** So many names that begin alike. */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}.example.com`);
}
