#!/usr/bin/env node
// Each public package as its users will get it: publint and "are the types wrong" on the packed tarball; README in place.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folders = ['bpf', ...['packages', 'plugins', 'exporters'].flatMap((d) => readdirSync(d).map((n) => join(d, n)))];
let failed = 0;
for (const folder of folders) {
  if (!existsSync(join(folder, 'package.json'))) continue;
  const { name, bin, main, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const problems = [];
  if (!existsSync(join(folder, 'README.md'))) problems.push('has no README.md');
  for (const [what, args] of [
    ['publint', ['publint', folder, '--strict']],
    ['attw', ['attw', '--pack', folder, '--profile', 'esm-only', '--format', 'ascii', '--quiet']],
  ]) {
    if (!exports && !main && !bin) continue;
    const result = spawnSync('pnpm', ['exec', ...args], { encoding: 'utf8' });
    if (result.status !== 0) problems.push(`${what}: ${(result.stdout + result.stderr).trim()}`);
  }
  for (const problem of problems) process.stdout.write(`${name}: ${problem}\n`);
  failed += problems.length;
}
process.exit(failed ? 1 : 0);
