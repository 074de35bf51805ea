import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** nf_tables frees what its rules drop itself since Linux 6.7; until then netfilter's core did it for everybody. */
const RULES_FREE = [6, 7] as const;

/**
 * Whether, in the agent's network namespace, packets that netfilter's core frees can only be the connection table's or its
 * translation's doing: rules free what they drop themselves, and nobody else is there to drop.
 */
export async function onlyTrackingDrops(version: readonly [number, number], net = '/proc/self/net'): Promise<boolean> {
  if (version[0] < RULES_FREE[0] || (version[0] === RULES_FREE[0] && version[1] < RULES_FREE[1])) return false;
  const [tables, tables6, balancer] = await Promise.all([
    isEmpty(join(net, 'ip_tables_names')),
    isEmpty(join(net, 'ip6_tables_names')),
    isMissing(join(net, 'ip_vs')),
  ]);
  return tables && tables6 && balancer;
}

/** No such file, or nothing in it. What cannot be read may hold anything. */
async function isEmpty(file: string): Promise<boolean> {
  try {
    return (await readFile(file, 'latin1')).trim() === '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

async function isMissing(file: string): Promise<boolean> {
  return stat(file).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
}
