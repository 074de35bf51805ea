import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const source = fileURLToPath(new URL('../native/flows', import.meta.url));
const build = fileURLToPath(new URL('../build/flows-sanitized', import.meta.url));

// The flow table is plain C++ with tests of its own; here they run with address and undefined-behaviour sanitizers.
test(
  'the flow table holds in every scenario, for random traffic and against lying memory',
  { timeout: 300_000 },
  () => {
    mkdirSync(build, { recursive: true });
    const options = ['-DRETINA_SANITIZE=ON'];
    execFileSync('cmake', ['-S', source, '-B', build, ...options], { stdio: 'pipe' });
    const made = spawnSync('cmake', ['--build', build, '--target', 'flows_test', '-j', '2'], { encoding: 'utf8' });
    expect(made.status, made.stdout + made.stderr).toBe(0);
    const ran = spawnSync(`${build}/flows_test`, { encoding: 'utf8' });
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/\d+ passed, 0 failed, seed \d+/);
  },
);
