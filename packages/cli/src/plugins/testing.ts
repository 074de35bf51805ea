import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { API } from '@retina/sdk';

/** A built package as its author would pack it, with a manifest changed as told; its code must not run. */
export function writePackage(parent: string, name: string, change: Readonly<Record<string, unknown>> = {}): string {
  const folder = path.join(parent, name.replaceAll(/[@/]/g, '-'));
  mkdirSync(path.join(folder, 'dist'), { recursive: true });
  const plain = name.replace(/^.*retina-(plugin|exporter)-/, '');
  const manifest = {
    manifest: 1,
    kind: 'plugin',
    name: plain,
    package: name,
    version: '1.2.3',
    api: API,
    description: 'Counts what nobody else counts.',
    stability: 'beta',
    platforms: ['linux'],
    needs: { capabilities: [] },
    config: { type: 'object', properties: { intervalMs: { type: 'number' } } },
    metrics: { [`${plain}_seen_total`]: { kind: 'counter', help: 'What was seen.' } },
    ...change,
  };
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name, version: '1.2.3', type: 'module', files: ['dist'], exports: './dist/index.js', scripts: { prepack: 'exit 1', preinstall: 'exit 1' } })); // prettier-ignore
  writeFileSync(path.join(folder, 'dist/index.js'), 'throw new Error("must not run");\n');
  if (change['manifest'] !== null) writeFileSync(path.join(folder, 'dist/retina.json'), JSON.stringify(manifest));
  return folder;
}
