import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RetinaError } from '@retina/sdk';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { writePackage } from '../plugins/testing.ts';
import { build } from './build.ts';
import { pluginAdd, pluginList } from './plugin.ts';

vi.setConfig({ testTimeout: 120_000 }); // npm takes its time on a busy machine

let folder: string;
let into: string;
let said = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'retina-plugin-'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
beforeEach(() => {
  said = '';
  into = mkdtempSync(path.join(folder, 'into-'));
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const refusal = (work: Promise<unknown>): Promise<RetinaError> =>
  work.then(
    () => expect.unreachable('it was not refused'),
    (error: unknown) => error as RetinaError,
  );

it('shows what a package asks for, installs it without running any of it, and lists it', async () => {
  const needs = { capabilities: ['BPF'], kernel: '5.10', btf: true, mounts: ['/sys/class/infiniband'] };
  const given = writePackage(folder, '@acme/retina-plugin-probe', { needs });
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', given], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] }); // prettier-ignore
  const file = path.join(folder, packed.toString().trim());
  expect(await pluginAdd(file, { into, yes: true, anyNode: true })).toBe(0);
  expect(said).toContain('@acme/retina-plugin-probe 1.2.3: plugin probe (beta, api 1)');
  expect(said).toContain('needs    CAP_BPF, kernel 5.10, BTF, mounts /sys/class/infiniband');
  expect(said).toContain('networkobservability_probe_seen_total');
  expect(said).toContain('plugins:\n  "@acme/retina-plugin-probe": {}');
  said = '';
  await pluginList({ into, output: 'json' });
  const rows = JSON.parse(said) as { package: string }[];
  expect(rows.find((row) => row.package === '@acme/retina-plugin-probe')).toMatchObject({ kind: 'plugin', name: 'probe', version: '1.2.3', api: 1, problem: '' }); // prettier-ignore
  // The same again is an update, not a collision with itself.
  expect(await pluginAdd(file, { into, yes: true, anyNode: true })).toBe(0);
  // Another one that is called the same is one.
  const other = writePackage(folder, '@other/retina-plugin-probe', { metrics: {} });
  expect(await refusal(pluginAdd(other, { into, yes: true }))).toMatchObject({ code: 'RETINA_PLUGIN_INVALID', summary: 'the name probe is taken' }); // prettier-ignore
});

it.each([
  ['another version of the contract', { api: 2 }, 'RETINA_API_MISMATCH', 'update the agent'],
  ['an older one', { api: 0 }, 'RETINA_API_MISMATCH', 'newer version'],
  ['a kernel of tomorrow', { needs: { capabilities: [], kernel: '99.1' } }, 'RETINA_KERNEL_UNSUPPORTED', 'kernel'],
  [
    'rights that nobody has',
    { needs: { capabilities: ['NOBODY_HAS'] } },
    'RETINA_CAPABILITY_MISSING',
    'CAP_NOBODY_HAS',
  ],
  ['another platform', { platforms: ['win32'] }, 'RETINA_KERNEL_UNSUPPORTED', 'win32'],
  ['a name that is no name', { name: '../x' }, 'RETINA_PLUGIN_INVALID', 'name'],
  ['a mount that is none', { needs: { capabilities: [], mounts: ['/a:/b'] } }, 'RETINA_PLUGIN_INVALID', 'mounts'],
  ['no manifest', { manifest: null }, 'RETINA_PLUGIN_INVALID', 'dist/retina.json'],
  ['the manifest of another', { package: '@acme/other' }, 'RETINA_PLUGIN_INVALID', '@acme/other'],
])('refuses %s, and installs nothing', async (what, change, code, words) => {
  const given = writePackage(folder, `@acme/retina-plugin-${what.replaceAll(/[^a-z]/g, '')}`, change);
  const error = await refusal(pluginAdd(given, { into, yes: true }));
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  expect(readdirSync(into)).toEqual([]);
});

it('refuses a name and a metric that an installed plugin has', async () => {
  const first = writePackage(folder, '@acme/retina-plugin-first', { metrics: { mine_total: { kind: 'counter', help: 'Mine.' } } }); // prettier-ignore
  expect(await pluginAdd(first, { into, yes: true })).toBe(0);
  const second = writePackage(folder, '@acme/retina-plugin-second', { metrics: { mine_total: { kind: 'counter', help: 'Mine.' } } }); // prettier-ignore
  const error = await refusal(pluginAdd(second, { into, yes: true }));
  expect([error.code, error.message]).toEqual(['RETINA_METRIC_INVALID', expect.stringContaining('taken by @acme/retina-plugin-first')]); // prettier-ignore
});

it('asks for consent, and takes no silence for it', async () => {
  const given = writePackage(folder, '@acme/retina-plugin-silent', { description: 'Nice\u001b[2J and \u202eclean.' });
  const error = await refusal(pluginAdd(given, { into }));
  expect([error.code, error.next]).toEqual(['RETINA_REQUEST_INVALID', expect.stringContaining('--yes')]);
  expect(said).toContain('Nice\ufffd[2J and \ufffdclean.');
  expect(readdirSync(into)).toEqual([]);
});

it('lists what is installed and cannot be used, with the reason', async () => {
  const modules = path.join(into, 'node_modules');
  mkdirSync(modules);
  const old = writePackage(folder, 'retina-plugin-old', { api: 0 });
  const odd = writePackage(folder, 'retina-plugin-odd');
  writeFileSync(path.join(odd, 'dist/retina.json'), '{"manifest":1,');
  for (const one of [old, odd]) cpSync(one, path.join(modules, path.basename(one)), { recursive: true });
  await pluginList({ into, output: 'json' });
  const rows = JSON.parse(said) as { package: string; problem: string }[];
  const problem = (name: string) => rows.find((row) => row.package === name)?.problem;
  expect(problem('retina-plugin-old')).toContain('RETINA_API_MISMATCH: api 0');
  expect(problem('retina-plugin-odd')).toContain('RETINA_PLUGIN_INVALID');
});

it.each(['--help', 'a b', 'x; rm -rf /', './gone.tgz'])('refuses %j before anything runs', async (given) => {
  const { code } = await refusal(pluginAdd(given, { into, yes: true }));
  expect(['RETINA_REQUEST_INVALID', 'RETINA_PLUGIN_NOT_FOUND']).toContain(code);
});

it('writes a Dockerfile and values for an image with a plugin and an exporter', async () => {
  const plugin = writePackage(folder, '@acme/retina-plugin-imaged', { needs: { capabilities: ['BPF', 'SYSLOG'], hostPid: true } }); // prettier-ignore
  const sink = writePackage(folder, '@acme/retina-exporter-sink', { kind: 'exporter', metrics: {} });
  const out = path.join(into, 'image');
  await build([plugin, sink], { out, base: 'registry.example/agent:1', image: 'registry.example:5000/mine:7' });
  const dockerfile = readFileSync(path.join(out, 'Dockerfile'), 'utf8');
  expect(dockerfile).toContain('FROM registry.example/agent:1\n');
  expect(dockerfile).toContain('COPY --from=plugins /plugins/node_modules/@acme/retina-plugin-imaged /retina/node_modules/@acme/retina-plugin-imaged'); // prettier-ignore
  for (const file of dockerfile.match(/[\w.-]+\.tgz/g)!) expect(readdirSync(out)).toContain(file);
  expect(parse(readFileSync(path.join(out, 'values.yaml'), 'utf8'))).toEqual({
    image: { repository: 'registry.example:5000/mine', tag: '7' },
    plugins: { '@acme/retina-plugin-imaged': {} },
    pluginNeeds: { '@acme/retina-plugin-imaged': { capabilities: ['BPF', 'SYSLOG'], mounts: [], hostPid: true } },
    exporters: { prometheus: {}, '@acme/retina-exporter-sink': {} },
  });
});

it('builds no image of two that cannot run together', async () => {
  const one = writePackage(folder, '@acme/retina-plugin-twin');
  const two = writePackage(folder, '@other/retina-plugin-twin');
  const { code } = await refusal(build([one, two], { out: path.join(into, 'image') }));
  expect(code).toBe('RETINA_PLUGIN_INVALID');
  expect(readdirSync(into)).toEqual([]);
});
