import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { manifestOf } from './manifest.ts';
import type { Exporter } from './exporter.ts';
import type { Plugin } from './plugin.ts';

/** `retina-manifest`, run in a package's folder after its build: dist/index.js → dist/retina.json. Returns the exit code. */
export async function writeManifest(folder: string): Promise<number> {
  const entry = path.join(folder, 'dist/index.js');
  if (!existsSync(entry)) return fail(`no ${entry}`, 'build the package first, and run retina-manifest in its folder');
  const packageJson = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
    name?: string;
    version?: string;
  };
  const { default: definition } = (await import(pathToFileURL(entry).href)) as { default?: Plugin | Exporter };
  if (typeof definition?.setup !== 'function' || typeof definition.config?.safeParse !== 'function') {
    return fail(`the default export of ${entry} is no plugin or exporter`, 'export default definePlugin({ … })');
  }
  const file = path.join(folder, 'dist/retina.json');
  writeFileSync(file, `${JSON.stringify(manifestOf(definition, packageJson), undefined, 2)}\n`);
  return 0;
}

function fail(found: string, next: string): number {
  process.stderr.write(`retina-manifest: ${found}; next: ${next}\n`);
  return 1;
}
