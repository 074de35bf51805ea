import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../world/run.ts';

const SOURCES = fileURLToPath(new URL('../../native/', import.meta.url));
const BUNDLED = fileURLToPath(new URL('../native/', import.meta.url));

let built: Promise<string> | undefined;

/** Path of the traffic generator; compiled with `cc` when its sources are new, and kept under the user's cache by their hash. */
export function generator(): Promise<string> {
  return (built ??= build());
}

async function build(): Promise<string> {
  const folder = existsSync(join(SOURCES, 'traffic.c')) ? SOURCES : BUNDLED;
  const names = readdirSync(folder).sort();
  const hash = createHash('sha256');
  for (const name of names) hash.update(name).update(readFileSync(join(folder, name)));
  const cache = join(cacheFolder(), hash.digest('hex').slice(0, 16));
  const binary = join(cache, 'traffic');
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  const own = `${binary}.${process.pid}`;
  const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(folder, name));
  await run('cc', ['-O2', '-Wall', '-Werror', '-o', own, ...sources, '-lm']);
  renameSync(own, binary); // processes that build at once each end with a whole file
  return binary;
}

function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] || (process.env['HOME'] ? join(homedir(), '.cache') : tmpdir());
  return join(base, 'retina', 'testkit');
}
