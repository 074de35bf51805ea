import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from './manifest.ts';

const TOOL = fileURLToPath(new URL('../bin/retina-manifest.mjs', import.meta.url));
const ZOD = import.meta.resolve('zod');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'retina-manifest-'));
  mkdirSync(path.join(folder, 'dist'));
  writeFileSync(path.join(folder, 'package.json'), '{"name":"@acme/x","version":"2.0.0","type":"module"}');
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = () => promisify(execFile)(process.execPath, [TOOL], { cwd: folder });

test('retina-manifest writes what a built plugin says of itself', async () => {
  writeFileSync(
    path.join(folder, 'dist/index.js'),
    `import { z } from '${ZOD}';
     export default { name: 'x', api: 1, description: 'Counts.', stability: 'beta', platforms: ['linux'],
       needs: { capabilities: ['BPF'], kernel: '5.10' }, setup() {},
       config: z.object({ interval: z.number().min(1).default(5).describe('Seconds.') }),
       metrics: { things_total: { kind: 'counter', help: 'Things.', labels: ['kind'] } } };`,
  );
  await run();
  const manifest = JSON.parse(readFileSync(path.join(folder, 'dist/retina.json'), 'utf8')) as Manifest;
  expect(manifest).toMatchObject({
    manifest: 1,
    kind: 'plugin',
    name: 'x',
    package: '@acme/x',
    version: '2.0.0',
    needs: { capabilities: ['BPF'], kernel: '5.10' },
    config: {
      properties: { interval: { default: 5, minimum: 1, description: 'Seconds.' } },
      additionalProperties: false,
    },
    metrics: { things_total: { kind: 'counter', labels: ['kind'] } },
  });
  expect(manifest.config['required']).toBeUndefined();
});

test('it says what is missing', async () => {
  await expect(run()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no .*dist\/index\.js.*next: build/) as string,
  });
  writeFileSync(path.join(folder, 'dist/index.js'), 'export const x = 1;');
  await expect(run()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no plugin or exporter') as string,
  });
});
