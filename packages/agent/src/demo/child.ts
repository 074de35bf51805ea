/** A pod of the demonstration world: `child.ts ROLE`. It lives as long as its standard input, which the agent holds. */
import { runClient } from './client.ts';
import { runResolver } from './resolver.ts';
import { runServer } from './server.ts';

const roles: Readonly<Record<string, () => void>> = { client: runClient, server: runServer, resolver: runResolver };
const run = roles[process.argv[2] ?? ''];
if (!run) {
  process.stderr.write(`usage: child (${Object.keys(roles).join('|')})\n`);
  process.exit(2);
}
// The pipe closes when the agent ends, however it ends.
process.stdin
  .on('end', () => process.exit(0))
  .on('error', () => process.exit(0))
  .resume();
// A terminal sends Ctrl-C to the whole group; ending is the agent's decision.
process.on('SIGINT', () => {});
run();
