import { mkdtempSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { watchFile } from './reload.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'retina-reload-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const settled = () => new Promise((resolve) => setTimeout(resolve, 500));

it('reloads once per change: in place, by rename, and not for an equal text', async () => {
  const file = join(directory, 'retina.yaml');
  writeFileSync(file, 'a: 1');
  let calls = 0;
  using _watch = watchFile(file, async () => void calls++);
  await settled();
  writeFileSync(file, 'a: 2');
  writeFileSync(file, 'a: 3');
  await settled();
  expect(calls).toBe(1);
  writeFileSync(`${file}.new`, 'a: 4');
  renameSync(`${file}.new`, file);
  await settled();
  expect(calls).toBe(2);
  writeFileSync(file, 'a: 4');
  await settled();
  expect(calls).toBe(2);
});

it("follows a ConfigMap volume's swapped symlinks", async () => {
  for (const [version, text] of [
    ['one', 'a: 1'],
    ['two', 'a: 2'],
  ] as const) {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, 'config.yaml'), text);
  }
  symlinkSync('one', join(directory, '..data'));
  symlinkSync('..data/config.yaml', join(directory, 'config.yaml'));
  let calls = 0;
  using _watch = watchFile(join(directory, 'config.yaml'), async () => void calls++);
  await settled();
  symlinkSync('two', join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
  await settled();
  expect(calls).toBe(1);
});
