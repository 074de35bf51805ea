// What the documents promise about themselves.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './lib/paths.mjs';

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
}).split('\n');
const documents = tracked.filter((file) => file.endsWith('.md') && existsSync(join(ROOT, file)));

test('every relative link in a document leads somewhere', () => {
  const dead = documents.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8').replace(/```[\s\S]*?```/g, '');
    return [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map((match) => match[1])
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(file), target)))
      .map((target) => `${file} -> ${target}`);
  });
  assert.deepEqual(dead, []);
});

test('the root README fits a screen and a half', () => {
  assert.ok(readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length <= 121);
});

test('every package has a README that names it', () => {
  const missing = tracked
    .filter((file) => /^(bpf|(packages|plugins|exporters|examples)\/[^/]+)\/package\.json$/.test(file))
    .filter((file) => {
      const readme = join(ROOT, dirname(file), 'README.md');
      const { name } = JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
      return !existsSync(readme) || !readFileSync(readme, 'utf8').includes(name);
    });
  assert.deepEqual(missing, []);
});

test('every error code used in the sources is in the table, and every one in the table is used', () => {
  const table = readFileSync(join(ROOT, 'packages/sdk/src/errors.ts'), 'utf8');
  const known = new Set(table.match(/RETINA_[A-Z_]+(?=:)/g));
  const used = new Set();
  for (const file of tracked.filter(
    (f) => /\.(ts|cpp|hpp)$/.test(f) && !/\.test\.ts$|sdk\/src\/errors\.ts$/.test(f) && existsSync(join(ROOT, f)),
  )) {
    for (const [, code] of readFileSync(join(ROOT, file), 'utf8').matchAll(
      /(?:(?:Retina|Kube)Error\(|from\([^'\n]*|code[:=]? *|Failure\(|failure\(|\s)["'](RETINA_[A-Z_]+)["']/g,
    ))
      used.add(code);
  }
  const unknown = [...used].filter(
    (code) => !known.has(code) && !/^RETINA_(LOADER_PATH|CONFIG|LIBBPF_ROOT|TOOLCHAIN|WERROR)/.test(code),
  );
  assert.deepEqual(unknown, []);
  assert.deepEqual(
    [...known].filter((code) => !used.has(code)),
    [],
  );
});
