import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { manifestOf, type Manifest } from '@retina/sdk';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../config/load.ts';
import { plugin } from '../host/testing.ts';
import { doctor } from './doctor.ts';
import { findManifest } from './find.ts';

const demanding = plugin('demanding', {
  needs: { capabilities: ['BPF', 'MAC_ADMIN'], kernel: '99.1', btf: true },
  config: z.object({ rate: z.number().default(1).describe('How often.') }),
  metrics: { seen_total: { kind: 'counter', help: 'Seen.', labels: ['what'] } },
  setup: () => undefined,
});
const modest = plugin('modest', { setup: () => undefined });

test('says per component what it needs, what is missing and what would mend it', async () => {
  const { config } = loadConfig({
    text: 'plugins: {demanding: {}, modest: {}, gone: {}}\nexporters: {}',
    environment: {},
  });
  const report = await doctor({ config, loader: null, components: { demanding, modest } });
  expect(report.components.map(({ name, runs }) => [name, runs])).toEqual([
    ['demanding', false],
    ['modest', true],
    ['gone', false],
  ]);
  const [first, , gone] = report.components;
  expect(first!.needs).toEqual({ capabilities: ['BPF', 'MAC_ADMIN'], kernel: '99.1', btf: true });
  expect(first!.findings.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['RETINA_KERNEL_UNSUPPORTED', 'RETINA_CAPABILITY_MISSING', 'RETINA_NATIVE_MISSING']),
  );
  for (const { next } of first!.findings) expect(next).toBeTruthy();
  expect(gone!.findings[0]!.code).toBe('RETINA_PLUGIN_NOT_FOUND');
  expect(report.missingCapabilities).toContain('MAC_ADMIN');
  expect(report.kernel.release).toBeTruthy();
});

test('a built package is asked by its manifest, which runs none of its code', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'retina-doctor-'));
  try {
    const root = path.join(folder, 'node_modules/acme');
    mkdirSync(path.join(root, 'dist'), { recursive: true });
    writeFileSync(
      path.join(root, 'package.json'),
      '{"name":"acme","version":"1.2.3","type":"module","exports":"./dist/index.js"}',
    );
    writeFileSync(path.join(root, 'dist/index.js'), 'throw new Error("must not run")');
    const written = manifestOf(demanding, { name: 'acme', version: '1.2.3' });
    writeFileSync(path.join(root, 'dist/retina.json'), JSON.stringify(written));
    const found: Manifest = await findManifest('plugin', 'acme', { from: [folder] });
    expect(found).toEqual(JSON.parse(JSON.stringify(written)));
    expect(found).toMatchObject({
      kind: 'plugin',
      name: 'demanding',
      package: 'acme',
      metrics: { seen_total: { labels: ['what'] } },
    });
    expect(found.config).toMatchObject({
      additionalProperties: false,
      properties: { rate: { type: 'number', default: 1, description: 'How often.' } },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
