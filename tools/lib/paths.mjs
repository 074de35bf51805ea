import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Heavy builds are kept outside the checkout, keyed by content, so that a fresh clone finds them. */
export function cacheDir() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'retina');
}

/** The pinned Node itself. (The one in node_modules/.bin is a shell script that would keep signals to itself.) */
export const NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node');
