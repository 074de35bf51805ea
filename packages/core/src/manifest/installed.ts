import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { RetinaError, type Manifest } from '@retina/sdk';
import { searchPath } from '../host/resolve.ts';
import { readManifest } from './read.ts';

/** A plugin or exporter that the agent would find. */
export interface InstalledComponent {
  /** Name of the package. */
  readonly package: string;
  readonly version: string;
  readonly folder: string;
  /** Undefined: its manifest cannot be used; `problem` says why. */
  readonly manifest?: Manifest;
  readonly problem?: RetinaError;
}

export interface InstalledOptions {
  /** Folder of the configuration, which is looked at first. Default: the working directory. */
  readonly directory?: string;
  /** Folder or file URL of the agent. */
  readonly from?: string;
}

/** Every installed package with a manifest, in the folders that the agent imports from. Runs none of their code. */
export function installedComponents(options: InstalledOptions = {}): readonly InstalledComponent[] {
  const found = new Map<string, InstalledComponent>();
  for (const start of searchPath(path.resolve(options.directory ?? '.'), options.from)) {
    for (let folder = start; ; folder = path.dirname(folder)) {
      for (const name of packagesIn(path.join(folder, 'node_modules'))) {
        const component = found.has(name) ? undefined : componentIn(name, path.join(folder, 'node_modules', name));
        if (component) found.set(name, component);
      }
      if (folder === path.dirname(folder)) break;
    }
  }
  return [...found.values()].sort((a, b) => a.package.localeCompare(b.package));
}

function packagesIn(modules: string): readonly string[] {
  return entries(modules).flatMap((name) =>
    name.startsWith('@') ? entries(path.join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
  );
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

function componentIn(name: string, folder: string): InstalledComponent | undefined {
  const file = path.join(folder, 'dist/retina.json');
  if (!existsSync(file)) return undefined;
  let version = '';
  try {
    version = String((JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version?: string }).version); // prettier-ignore
    const manifest = readManifest(readFileSync(file, 'utf8'), name);
    return { package: name, version, folder: realpathSync(folder), manifest };
  } catch (error) {
    const problem = RetinaError.from(error, 'RETINA_PLUGIN_INVALID', `${name} cannot be used`);
    return { package: name, version, folder, problem };
  }
}
