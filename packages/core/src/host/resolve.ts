import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire, findPackageJSON } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { API, RetinaError, type Exporter, type Plugin } from '@retina/sdk';
import { instanceOf } from '../export/instance.ts';
import { nearest } from '../config/nearest.ts';

export type Kind = 'plugin' | 'exporter';

/** The original's names, and ours: what somebody who mistypes a name may have meant, and whose absence costs nothing else. */
export const BUILT_IN: Readonly<Record<Kind, readonly string[]>> = {
  plugin: [
    'packetparser', 'packetforward', 'dropreason', 'dns', 'tcpretrans', 'linuxutil', 'infiniband', 'ciliumeventobserver',
    'hnsstats', 'pktmon',
  ], // prettier-ignore
  exporter: ['prometheus', 'flowlog'],
};

export interface ResolveOptions {
  /** Already imported components by name; asked first. */
  readonly components?: Readonly<Record<string, Plugin | Exporter>>;
  /** Folders to look for packages from, first one first. */
  readonly from: readonly string[];
}

/**
 * Imports the plugin or exporter that `name` stands for: a plain NAME is the package `@retina/plugin-NAME` (or
 * `@retina/exporter-NAME`), else the package NAME; what has an `@` or a `/` is a package, or a path (`./x`, `/x`) to a module
 * or to a package's folder. Exporters may have several instances: TYPE/INSTANCE. Throws RETINA_PLUGIN_NOT_FOUND, RETINA_PLUGIN_INVALID or RETINA_API_MISMATCH.
 */
export async function resolve(kind: 'plugin', name: string, options: ResolveOptions): Promise<Plugin>;
export async function resolve(kind: 'exporter', name: string, options: ResolveOptions): Promise<Exporter>;
export async function resolve(kind: Kind, name: string, options: ResolveOptions): Promise<Plugin | Exporter>;
export async function resolve(kind: Kind, name: string, options: ResolveOptions): Promise<Plugin | Exporter> {
  const given = options.components?.[name];
  if (given) return check(kind, name, given);
  const { type, suffix } = kind === 'exporter' ? instanceOf(name) : { type: name, suffix: '' };
  if (suffix) return resolve(kind, type, options);
  const file = locate(kind, name, options.from);
  if (!file) throw notFound(kind, name, options);
  let module: { default?: unknown };
  try {
    module = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    throw new RetinaError('RETINA_PLUGIN_INVALID', `the ${kind} ${name} cannot be imported`, {
      found: error instanceof Error ? error.message : String(error),
      next: `run "node ${file}" to see the whole error`,
      cause: error,
    });
  }
  return check(kind, name, module.default, file);
}

/** What a name in the configuration may be imported as, first one first. */
function specifiersOf(kind: Kind, name: string): readonly string[] {
  return /[@/]|^\./.test(name) ? [name] : [`@retina/${kind}-${name}`, name];
}

/** The file behind a name in the configuration; undefined if there is none. */
export function locate(kind: Kind, name: string, from: readonly string[]): string | undefined {
  const { type } = kind === 'exporter' ? instanceOf(name) : { type: name };
  for (const specifier of specifiersOf(kind, type)) {
    for (const folder of from) {
      const found = /^\.{0,2}\//.test(specifier)
        ? atPath(path.resolve(folder, specifier))
        : inPackages(specifier, folder);
      if (found) return found;
    }
  }
  return undefined;
}

/** Plain names of what is installed as `@retina/plugin-NAME` or `@retina/exporter-NAME`: the built-in ones first. */
export function installed(kind: Kind, from: readonly string[]): readonly string[] {
  const names = new Set(BUILT_IN[kind]);
  for (const start of from) {
    for (let folder = start; ; folder = path.dirname(folder)) {
      for (const name of packagesIn(path.join(folder, 'node_modules', '@retina'), `${kind}-`)) names.add(name);
      if (folder === path.dirname(folder)) break;
    }
  }
  return [...names].filter((name) => locate(kind, name, from));
}

function packagesIn(folder: string, prefix: string): readonly string[] {
  try {
    const found = readdirSync(folder).filter((name) => name.startsWith(prefix));
    return found.map((name) => name.slice(prefix.length)).sort();
  } catch {
    return [];
  }
}

function atPath(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  if (!statSync(file).isDirectory()) return file;
  const manifest = path.join(file, 'package.json');
  return existsSync(manifest) ? entryOf(manifest) : undefined;
}

function inPackages(specifier: string, folder: string): string | undefined {
  const base = pathToFileURL(path.join(folder, 'index.js'));
  try {
    const manifest = findPackageJSON(specifier, base);
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    if (manifest && specifier === name) return entryOf(manifest);
    return createRequire(base).resolve(specifier); // a path inside a package
  } catch {
    return undefined;
  }
}

/** The module a package's `exports` (or `main`) offers under the conditions of this process. */
function entryOf(manifest: string): string | undefined {
  const { exports: map, main } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: unknown; main?: string };
  const root = typeof map === 'object' && map !== null && '.' in map ? (map as Record<string, unknown>)['.'] : map;
  const target = pick(root, conditions()) ?? main ?? 'index.js';
  const file = path.join(path.dirname(manifest), target);
  return existsSync(file) ? file : undefined;
}

function pick(target: unknown, active: ReadonlySet<string>): string | undefined {
  if (typeof target === 'string') return target;
  if (Array.isArray(target)) return target.map((one) => pick(one, active)).find(Boolean);
  if (typeof target !== 'object' || target === null) return undefined;
  for (const [condition, inner] of Object.entries(target)) {
    const found = active.has(condition) ? pick(inner, active) : undefined;
    if (found) return found;
  }
  return undefined;
}

function conditions(): ReadonlySet<string> {
  const flags = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(' ')];
  const own = flags.flatMap((flag, i) => {
    if (flag.startsWith('--conditions=')) return [flag.slice('--conditions='.length)];
    return flag === '--conditions' || flag === '-C' ? [flags[i + 1] ?? ''] : [];
  });
  return new Set([...own, 'node', 'import', 'module-sync', 'default']);
}

function notFound(kind: Kind, name: string, options: ResolveOptions): RetinaError {
  const known = knownNames(kind, options).filter((one) => one !== name);
  const near = nearest(name, known);
  const specifiers = specifiersOf(kind, name);
  const ours = BUILT_IN[kind].includes(name);
  return new RetinaError('RETINA_PLUGIN_NOT_FOUND', `no ${kind} named ${name} is installed`, {
    found: `no ${specifiers.join(' and no ')} from ${options.from.join(' or ')}`,
    ...(!ours && { needed: `one of ${known.join(', ')}, a package's name, or a path that starts with ./ or /` }),
    next: near ? `did you mean ${near}?` : `npm install ${specifiers[0]}, or remove it from the configuration`,
  });
}

/** Names that make sense in a configuration, as far as anybody here knows. */
export function knownNames(kind: Kind, { components = {}, from }: ResolveOptions): readonly string[] {
  return [...new Set([...BUILT_IN[kind], ...installed(kind, from), ...Object.keys(components)])];
}

function check(kind: Kind, name: string, value: unknown, file?: string): Plugin | Exporter {
  const at = file ? ` (${file})` : '';
  const invalid = (found: string) =>
    new RetinaError('RETINA_PLUGIN_INVALID', `the default export of ${name}${at} is no ${kind}`, {
      found,
      needed: `export default define${kind === 'plugin' ? 'Plugin' : 'Exporter'}({ … })`,
      next: `look at the ${kind}'s documentation, or correct the name`,
    });
  if (typeof value !== 'object' || value === null)
    throw invalid(value === undefined ? 'no default export' : typeof value);
  const found = value as Partial<Plugin & Exporter>;
  if (found.api !== undefined && (found.api as number) !== API) {
    throw new RetinaError('RETINA_API_MISMATCH', `the ${kind} ${name}${at} speaks another version of the contract`, {
      found: `api ${String(found.api)}`,
      needed: `api ${API}`,
      next: (found.api as number) > API ? 'update the agent' : `update the ${kind}`,
    });
  }
  const needed = kind === 'plugin' ? ['needs', 'platforms', 'metrics'] : [];
  for (const key of ['name', 'api', 'config', 'setup', ...needed] as const) {
    if (found[key as keyof typeof found] === undefined) throw invalid(`an object without "${key}"`);
  }
  if (kind === 'exporter' && 'needs' in value) throw invalid('a plugin');
  if (typeof found.setup !== 'function') throw invalid(`setup is ${typeof found.setup}`);
  if (typeof (found.config as { safeParse?: unknown }).safeParse !== 'function')
    throw invalid('config is no zod object');
  if (!/^[a-z0-9-]+$/.test(found.name!))
    throw invalid(`the name ${JSON.stringify(found.name)} (lower case letters, digits and dashes only)`);
  return value as Plugin | Exporter;
}

/** Folders to resolve packages from: the configuration's, the agent's, this package's. */
export function searchPath(directory: string, from: string | undefined): readonly string[] {
  const own = path.dirname(fileURLToPath(import.meta.url));
  const agent = from?.startsWith('file:') ? path.dirname(fileURLToPath(from)) : from;
  return [...new Set([directory, ...(agent ? [agent] : []), own])];
}
