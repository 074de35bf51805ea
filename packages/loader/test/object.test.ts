import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import * as loader from '../src/index.ts';
import type { LoaderApi } from '../src/index.ts';
import { child, compile, failure } from './support.ts';

const { openObject } = loader satisfies LoaderApi;
const tap = compile('tap');
const dir = mkdtempSync(join(tmpdir(), 'retina-loader-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, bytes: Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

describe('an object file', () => {
  test('tells its programs, maps and constants', () => {
    using spec = openObject(pathToFileURL(tap));
    expect(spec.programs).toEqual(['first', 'second', 'other'].map((name) => ({ name, section: 'tc' })));
    expect(spec.maps).toContainEqual({ name: 'small', type: 1, keySize: 4, valueSize: 8, maxEntries: 64 });
    expect(spec.maps.map((map) => map.name)).not.toContain('tap.rodata');
    expect(spec.constants).toEqual([
      { name: 'step', size: 8, value: 1n },
      { name: 'enabled', size: 1, value: 1n },
      { name: 'offset', size: 4, value: 0xffff_fffbn },
    ]);
  });

  test('is opened without any capability', async () => {
    const script = `using spec = loader.openObject(${JSON.stringify(tap)}); console.log(spec.programs.length, loader.kernelFeatures().capabilities.length);`;
    const prefix = process.getuid!() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'] : [];
    const ended = await child(script, { prefix });
    expect(ended).toMatchObject({ code: 0, stdout: '3 0\n' });
  });

  const whole = readFileSync(tap);
  const foreign = Uint8Array.from(whole);
  foreign[18] = 62;
  test.each([
    ['missing', join(dir, 'nothing.o'), 'No such file'],
    ['a folder', dir, 'directory'],
    ['empty', file('empty.o', new Uint8Array()), 'empty'],
    ['text', file('text.o', Buffer.from('#!/bin/sh\nexit 0\n'.repeat(9))), 'starts with 23 21 2f 62'],
    ['compiled for the machine', file('x86.o', foreign), 'x86-64'],
    ['cut off', file('cut.o', whole.subarray(0, 700)), ''],
  ])('that is %s is refused, and what was found is said', async (_, path, found) => {
    const error = await failure(() => openObject(path));
    expect(error).toMatchObject({ name: 'RetinaError', code: 'RETINA_OBJECT_INVALID' });
    expect(error.message).toContain(path);
    expect(error.found).toContain(found);
  });

  test('cannot be used after it was closed', async () => {
    const spec = openObject(tap);
    spec[Symbol.dispose]();
    expect(await failure(() => spec.programs)).toMatchObject({ code: 'RETINA_CLOSED' });
    expect(await failure(() => spec.load())).toMatchObject({ code: 'RETINA_CLOSED' });
  });
});

describe('settings', () => {
  test.each([
    ['constant', { constants: { stpe: 1 } }, 'step, enabled, offset'],
    ['map', { maxEntries: { smal: 1 } }, 'small'],
    ['program', { skipPrograms: ['frist'] }, 'first, second, other'],
  ])('that name no %s are refused with the names there are', async (kind, options, found) => {
    const error = await failure(() => openObject(tap).load(options));
    expect(error).toMatchObject({ code: 'RETINA_OBJECT_INVALID' });
    expect(error.message).toContain(`no ${kind} '`);
    expect(error.found).toContain(found);
  });

  test('must fit the constant', async () => {
    for (const value of [256, -129, 1n << 40n]) {
      expect(await failure(() => openObject(tap).load({ constants: { enabled: value } }))).toMatchObject({
        code: 'RETINA_OBJECT_INVALID',
      });
    }
    await expect(failure(() => openObject(tap).load({ constants: { enabled: 1.5 } }))).resolves.toBeInstanceOf(
      TypeError,
    );
  });
});

describe('an addon that', () => {
  const use = (path: string) => {
    const script = 'try { loader.kernelFeatures(); } catch (e) { console.log(JSON.stringify([e.code, e.message])); }';
    return child(script, { env: { RETINA_LOADER_PATH: path } });
  };

  test.each([
    ['is not there', join(dir, 'nothing.node'), 'none of'],
    ['is no addon', file('text.node', Buffer.from('text')), 'cannot be loaded: '],
  ])('%s is reported with what to run', async (_, path, found) => {
    const { stdout } = await use(path);
    const [code, message] = JSON.parse(stdout) as [string, string];
    expect(code).toBe('RETINA_NATIVE_MISSING');
    expect(message).toContain(path);
    expect(message).toContain(found);
    expect(message).toContain('pnpm --filter @retina/loader native');
  });
});
