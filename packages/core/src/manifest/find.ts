import { existsSync, readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { manifestOf, type Manifest } from '@retina/sdk';
import { locate, resolve, type Kind, type ResolveOptions } from '../host/resolve.ts';

/**
 * The manifest of a plugin or exporter: `dist/retina.json` of its package, which runs none of its code, or, where it is not
 * built, what its module says. Throws RETINA_PLUGIN_NOT_FOUND and the like.
 */
export async function findManifest(kind: Kind, name: string, options: ResolveOptions): Promise<Manifest> {
  const entry = options.components?.[name] ? undefined : locate(kind, name, options.from);
  const packageFile = entry && findPackageJSON(pathToFileURL(entry));
  const folder = packageFile && path.dirname(packageFile);
  // Sources that are imported from src/ may be newer than what an old build left in dist/.
  const built =
    folder && !entry.startsWith(path.join(folder, 'src')) ? path.join(folder, 'dist/retina.json') : undefined;
  if (built && existsSync(built)) return JSON.parse(readFileSync(built, 'utf8')) as Manifest;
  const definition = await resolve(kind, name, options);
  const packageJson = packageFile
    ? (JSON.parse(readFileSync(packageFile, 'utf8')) as { name?: string; version?: string })
    : {};
  return manifestOf(definition, packageJson);
}
