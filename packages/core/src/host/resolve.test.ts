import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RetinaError } from '@retina/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { plugin } from './testing.ts';
import { installed, resolve } from './resolve.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(path.join(tmpdir(), 'retina-resolve-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string): void {
  const whole = path.join(folder, file);
  mkdirSync(path.dirname(whole), { recursive: true });
  writeFileSync(whole, text);
}

const source = (
  fields: string,
) => `export default { name: 'x', api: 1, platforms: ['linux'], needs: { capabilities: [] },
  config: { safeParse() {} }, metrics: {}, setup() {}, ${fields} };`;

async function failure(name: string, kind: 'plugin' | 'exporter' = 'plugin'): Promise<RetinaError> {
  const error: unknown = await resolve(kind, name, { from: [folder] }).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(RetinaError);
  return error as RetinaError;
}

test('a path, a folder, a package that only has an import condition, and a module inside a package are found', async () => {
  write('one.mjs', source("name: 'one'"));
  write('two/package.json', '{"type":"module","exports":{".":{"import":"./lib.js"}}}');
  write('two/lib.js', source("name: 'two'"));
  write(
    'node_modules/@acme/plugin/package.json',
    '{"type":"module","exports":{"types":"./x.d.ts","import":"./index.js"}}',
  );
  write('node_modules/@acme/plugin/index.js', source("name: 'acme'"));
  write('node_modules/plain/package.json', '{"type":"module"}');
  write('node_modules/plain/deep/index.js', source("name: 'deep'"));
  const names = ['./one.mjs', './two', '@acme/plugin', 'plain/deep/index.js', path.join(folder, 'one.mjs')];
  const found = await Promise.all(names.map((name) => resolve('plugin', name, { from: ['/nowhere', folder] })));
  expect(found.map(({ name }) => name)).toEqual(['one', 'two', 'acme', 'deep', 'one']);
});

test('a plain name is a package of ours before it is one of its own', async () => {
  const at = (name: string, text: string) => {
    write(`node_modules/${name}/package.json`, '{"type":"module"}');
    write(`node_modules/${name}/index.js`, source(text));
  };
  at('@retina/plugin-both', "name: 'ours'");
  at('both', "name: 'theirs'");
  at('alone', "name: 'alone'");
  const found = await Promise.all(['both', 'alone'].map((name) => resolve('plugin', name, { from: [folder] })));
  expect(found.map(({ name }) => name)).toEqual(['ours', 'alone']);
  expect(installed('plugin', [path.join(folder, 'deep')])).toContain('both');
  expect((await failure('bothe')).next).toBe('did you mean both?');
});

test('what is given is asked before what is installed', async () => {
  const given = plugin('packetparser', { setup: () => undefined });
  expect(await resolve('plugin', 'packetparser', { from: [folder], components: { packetparser: given } })).toBe(given);
});

test('a name that is nearly right gets a suggestion, one that is not installed the command', async () => {
  expect(await failure('packetparsr')).toMatchObject({
    code: 'RETINA_PLUGIN_NOT_FOUND',
    next: 'did you mean packetparser?',
  });
  expect((await failure('dns')).next).toContain('npm install @retina/plugin-dns');
  expect((await failure('prometeus', 'exporter')).next).toBe('did you mean prometheus?');
});

test.each([
  ['nothing exported', 'export const x = 1;', 'RETINA_PLUGIN_INVALID', /no default export/],
  ['a function', 'export default () => {};', 'RETINA_PLUGIN_INVALID', /function/],
  ['no setup', 'export default { name: "x", api: 1, needs: {}, platforms: [], metrics: {}, config: {} };', 'RETINA_PLUGIN_INVALID', /without "setup"/],
  ['another contract', source('api: 2'), 'RETINA_API_MISMATCH', /api 2.*update the agent/s],
  ['a bad name', source("name: 'No Good'"), 'RETINA_PLUGIN_INVALID', /No Good/],
  ['config of another kind', source('config: {}'), 'RETINA_PLUGIN_INVALID', /zod/],
  ['a module that throws', 'throw new Error("at import");', 'RETINA_PLUGIN_INVALID', /at import/],
])('refused: %s', async (name, text, code, message) => {
  write(`${name.replaceAll(' ', '-')}.mjs`, text);
  const error = await failure(`./${name.replaceAll(' ', '-')}.mjs`);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
}); // prettier-ignore

test('a plugin is no exporter', async () => {
  write('p.mjs', source(''));
  expect((await failure('./p.mjs', 'exporter')).found).toBe('a plugin');
});
