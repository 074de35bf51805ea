import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readManifest } from '@retina/core';
import { RetinaError, type Manifest } from '@retina/sdk';
import { tool } from './npm.ts';

/** A package that was fetched and not yet installed: nothing of it has run. */
export interface FetchedPackage extends Disposable {
  readonly name: string;
  readonly version: string;
  /** The packed file; it goes when this is disposed of. */
  readonly file: string;
  /** What npm installs: `name@version` of the registry, or the absolute path that was given. */
  readonly spec: string;
  readonly local: boolean;
  readonly manifest: Manifest;
}

/**
 * Fetches what npm calls a package spec: a name with or without version or tag, a folder that is built, a packed file. Throws
 * RETINA_REQUEST_INVALID, RETINA_PLUGIN_NOT_FOUND, RETINA_PLUGIN_INVALID or RETINA_API_MISMATCH.
 */
export async function fetchPackage(given: string): Promise<FetchedPackage> {
  const local = /^[./~]|\.tgz$/.test(given);
  const spec = local ? path.resolve(given) : given;
  if (!local && !/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*(@[\w.^~-]+)?$/i.test(given)) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'this names no package', {
      found: JSON.stringify(given),
      needed: 'NAME, NAME@VERSION, ./FOLDER or ./FILE.tgz',
    });
  }
  const notFound = (found: string) =>
    new RetinaError('RETINA_PLUGIN_NOT_FOUND', `the package ${given} cannot be fetched`, {
      found,
      next: local ? 'correct the path' : 'correct the name, or see "npm ping" and "npm config get registry"',
    });
  if (local && !existsSync(spec)) throw notFound(`no ${spec}`);
  const folder = mkdtempSync(path.join(tmpdir(), 'retina-package-'));
  const dispose = () => rmSync(folder, { recursive: true, force: true });
  try {
    // Scripts would run code before anybody has seen what it is.
    const packed = await tool('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, '--', spec], notFound); // prettier-ignore
    const [entry] = JSON.parse(packed) as { filename: string; name: string; version: string }[];
    const { filename, name, version } = entry!;
    const file = path.join(folder, filename.replace('@', '').replaceAll('/', '-'));
    const manifest = readManifest(await memberOf(file, 'package/dist/retina.json', name), name);
    if (manifest.package !== undefined && manifest.package !== name) {
      throw new RetinaError('RETINA_PLUGIN_INVALID', `${name} has the manifest of another package`, {
        found: manifest.package,
        needed: name,
        next: 'build it again: retina-manifest',
      });
    }
    const source = local ? spec : `${name}@${version}`;
    return { name, version, file, spec: source, local, manifest: { ...manifest, package: name, version }, [Symbol.dispose]: dispose }; // prettier-ignore
  } catch (error) {
    dispose();
    throw error;
  }
}

/** One file of a packed package, without unpacking the others. */
function memberOf(file: string, member: string, name: string): Promise<string> {
  return tool('tar', ['-xzOf', file, '--', member], (found) =>
    new RetinaError('RETINA_PLUGIN_INVALID', `${name} is no plugin and no exporter of Retina`, {
      found: `no dist/retina.json in it (${found}; ${statSync(file).size} bytes)`,
      needed: 'a package that retina-manifest has been run in',
      next: 'correct the name, or build the package before it is packed',
    }),
  ); // prettier-ignore
}
