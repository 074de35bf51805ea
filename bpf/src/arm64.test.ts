import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { compileFolder } from './compile.ts';
import { describeObject } from './object.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const folders = ['plugins', 'examples']
  .flatMap((group) => readdirSync(join(ROOT, group)).map((name) => join(ROOT, group, name)))
  .filter((folder) => existsSync(join(folder, 'bpf')));

/** The objects of a folder's sources, compiled elsewhere for an architecture: name and content. */
function compiled(folder: string, arch: string): [string, Buffer][] {
  const work = mkdtempSync(join(tmpdir(), 'retina-arm64-'));
  try {
    cpSync(join(folder, 'bpf'), join(work, 'bpf'), { recursive: true });
    return compileFolder({ folder: work, arch }).map(({ name, object }) => [name, readFileSync(object)]);
  } finally {
    rmSync(work, { recursive: true });
  }
}

it.each(folders.map((folder) => [basename(folder), folder] as const))(
  '%s compiles for arm64, to the same programs, records and constants as for x86',
  { timeout: 60_000 },
  (_, folder) => {
    const arm64 = compiled(folder, 'arm64');
    for (const [name, x86] of compiled(folder, 'x86')) {
      const other = arm64.find(([one]) => one === name)![1];
      expect(describeObject(other)).toEqual(describeObject(x86));
      // nothing depends on registers or sizes of the machine, so what is tested on one is what runs on the other
      expect(other.equals(x86)).toBe(true);
    }
  },
);
