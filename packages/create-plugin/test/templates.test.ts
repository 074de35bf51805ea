import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Manifest } from '@retina/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPackage, TEMPLATES } from '../src/index.ts';

const OWN = fileURLToPath(new URL('..', import.meta.url));
const names = Object.keys(TEMPLATES);
let folder: string;

/** One package of every template, beside each other, that find what they depend on where this package does. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retina-create-'));
  symlinkSync(join(OWN, 'node_modules'), join(folder, 'node_modules'));
  for (const template of names) createPackage({ name: `@acme/try-${template}`, template, in: folder });
  for (const name of names.filter((one) => TEMPLATES[one]!.bpf)) await run(`try-${name}`, 'retina-bpf');
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** A tool as npm would find it, with what it needs read from this repository's sources. */
async function run(where: string, tool: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, NODE_OPTIONS: '--conditions=@retina/source' };
  const program = join(folder, 'node_modules/.bin', tool);
  const options = { cwd: join(folder, where), env, maxBuffer: 1 << 24 };
  const { stdout } = await promisify(execFile)(program, args, options).catch((error: Error & { stdout?: string }) => {
    throw new Error(`${tool} ${args.join(' ')}: ${error.message}\n${error.stdout}`, { cause: error });
  });
  return stdout;
}

it('every template compiles under its own settings', async () => {
  const config = { extends: './try-tap/tsconfig.json', compilerOptions: { customConditions: ['@retina/source'] }, include: ['*/src'] }; // prettier-ignore
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await run('.', 'tsc', '-p', '.');
}, 120_000);

it('every template passes its own tests, the contract among them', async () => {
  const report = join(folder, 'report.json');
  const config = join(OWN, 'test/made.config.ts');
  await run(
    '.',
    'vitest',
    'run',
    '--root',
    '.',
    '--config',
    config,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  );
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { name: string; assertionResults: { status: string }[] }[];
  };
  for (const template of names) {
    const files = testResults.filter(({ name }) => name.includes(`/try-${template}/`));
    expect(files.map(({ name }) => name.split('/').at(-1))).toContain('contract.test.ts');
    const passed = files.flatMap((file) => file.assertionResults).filter(({ status }) => status === 'passed');
    expect(passed.length, template).toBeGreaterThan(5);
  }
}, 300_000);

it.each(names)('%s builds and packs, with a manifest that says what it is', async (template) => {
  const { bpf, kind } = TEMPLATES[template]!;
  await run(`try-${template}`, 'tsup', '--silent');
  await run(`try-${template}`, 'retina-manifest');
  const dist = join(folder, `try-${template}`, 'dist');
  const manifest = JSON.parse(readFileSync(join(dist, 'retina.json'), 'utf8')) as Manifest;
  expect(manifest).toMatchObject({ kind, name: `try-${template}`, package: `@acme/retina-${kind}-try-${template}` });
  for (const metric of Object.keys(manifest.metrics)) expect(metric).toMatch(new RegExp(`^try_${template}_`));
  expect(readdirSync(dist).includes('probe.bpf.o')).toBe(bpf);
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: join(folder, `try-${template}`),
  });
  const [packed] = JSON.parse(stdout) as { files: { path: string }[] }[];
  const files = packed!.files.map(({ path }) => path).filter((path) => !/\.map$|\.stamp$/.test(path));
  const wanted = ['README.md', 'dist/index.js', 'dist/retina.json', 'package.json', ...(bpf ? ['dist/probe.bpf.o'] : [])];
  expect(files.sort()).toEqual(wanted.sort());
}, 60_000); // prettier-ignore
