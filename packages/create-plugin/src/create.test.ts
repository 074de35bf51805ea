import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RetinaError } from '@retina/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPackage } from './create.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(path.join(tmpdir(), 'retina-names-'))));
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['my-probe', {}, 'retina-plugin-my-probe', 'tap'],
  ['@acme/my-scoped', {}, '@acme/retina-plugin-my-scoped', 'tap'],
  ['@acme/retina-plugin-my-full', { template: 'polling' }, '@acme/retina-plugin-my-full', 'polling'],
  ['my-sink', { exporter: true }, 'retina-exporter-my-sink', 'push'],
  ['my-reader', { template: 'flows' }, 'retina-exporter-my-reader', 'flows'],
])('%s %o becomes %s', (name, options, packageName, template) => {
  const made = createPackage({ name, ...options, in: folder });
  expect(made).toMatchObject({ packageName, template });
  const all = made.files.filter((file) => !file.endsWith('.bin'));
  const texts = all.map((file) => readFileSync(path.join(made.folder, file), 'utf8'));
  expect(texts.join('\n')).not.toMatch(/my.thing|retina-thing|workspace:|catalog:/);
  expect(JSON.parse(readFileSync(path.join(made.folder, 'package.json'), 'utf8'))).toMatchObject({ name: packageName });
});

it.each([
  ['My Probe', {}],
  ['', {}],
  ['../outside', {}],
  ['a/b', {}],
  ['-dash', {}],
  [`x${'y'.repeat(80)}`, {}],
  ['line\nbreak', {}],
  ['fine', { template: 'nothing' }],
  ['fine', { template: 'constructor' }],
  ['fine', { template: 'tap', exporter: true }],
])('%j with %j is refused, and nothing is written', (name, options) => {
  const before = readdirSync(folder);
  expect(() => createPackage({ name, ...options, in: folder })).toThrow(
    expect.objectContaining({ code: 'RETINA_REQUEST_INVALID' }) as RetinaError,
  );
  expect(readdirSync(folder)).toEqual(before);
});

it('does not write into a folder with something in it', () => {
  mkdirSync(path.join(folder, 'taken'));
  writeFileSync(path.join(folder, 'taken/mine.txt'), 'mine');
  expect(() => createPackage({ name: 'taken', in: folder })).toThrow('is not empty');
  expect(readdirSync(path.join(folder, 'taken'))).toEqual(['mine.txt']);
});

it('as a command says what to do next, or what was wrong', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const args = ['--conditions=@retina/source', main];
  const said = execFileSync(process.execPath, [...args, 'my-command', '--template', 'polling'], { cwd: folder });
  expect(said.toString()).toContain('cd my-command && npm install');
  const refused = spawnSync(process.execPath, [...args, 'my-other', '--tmplate', 'tap'], { cwd: folder });
  expect([refused.status, refused.stderr.toString()]).toEqual([2, expect.stringContaining('RETINA_REQUEST_INVALID')]);
});
