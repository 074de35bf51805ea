import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { RetinaError } from '@retina/sdk';
import { namesOf, type Names } from './names.ts';
import { packageJsonOf } from './package-json.ts';
import { TEMPLATES } from './templates.ts';

export interface CreateOptions {
  /** `my-probe`, `@acme/my-probe`, or the package's full name. */
  readonly name: string;
  /** A key of TEMPLATES; default `tap`, of exporters `push`. */
  readonly template?: string;
  /** Where the new folder is made; default the working directory. */
  readonly in?: string;
  /** An exporter rather than a plugin, where the template does not say. */
  readonly exporter?: boolean;
}

export interface Created extends Names {
  /** The new package's folder. */
  readonly folder: string;
  readonly template: string;
  /** Files in it, relative, sorted. */
  readonly files: readonly string[];
}

const FOLDER = fileURLToPath(new URL('../templates', import.meta.url));
/** Names the templates use for what is to be named. */
const PLACEHOLDERS = ['my-thing', 'my_thing', '@acme/retina-thing'] as const;

/** Makes a folder with a package in it, ready for `npm install`. Throws RETINA_REQUEST_INVALID; then nothing was written. */
export function createPackage(options: CreateOptions): Created {
  const template = options.template ?? (options.exporter ? 'push' : 'tap');
  const chosen = Object.hasOwn(TEMPLATES, template) ? TEMPLATES[template] : undefined;
  if (!chosen || (options.exporter && chosen.kind !== 'exporter')) {
    const fitting = Object.entries(TEMPLATES).filter(([, { kind }]) => !options.exporter || kind === 'exporter');
    throw new RetinaError('RETINA_REQUEST_INVALID', 'there is no such template', {
      found: options.exporter && chosen ? `${template}, which is a plugin's` : template,
      needed: fitting.map(([name]) => name).join(', '),
    });
  }
  const names = namesOf(options.name, chosen.kind);
  const folder = path.resolve(options.in ?? '.', names.name);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'the folder is not empty', {
      found: folder,
      needed: 'a folder that does not exist yet, or an empty one',
      next: 'choose another name, or remove the folder',
    });
  }
  mkdirSync(folder, { recursive: true });
  for (const part of ['common', template]) {
    cpSync(path.join(FOLDER, part), folder, { recursive: true, filter: (file) => !/\/dist$|\.gen\.ts$/.test(file) });
  }
  // npm leaves files of that name out of packages.
  renameSync(path.join(folder, 'gitignore'), path.join(folder, '.gitignore'));
  const files = listFiles(folder);
  for (const file of files) rename(path.join(folder, file), names);
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(packageJsonOf(names, chosen), null, 2)}\n`);
  return { ...names, folder, template, files: [...files, 'package.json'].sort() };
}

function listFiles(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))); // prettier-ignore
}

function rename(file: string, { name, word, packageName }: Names): void {
  if (file.endsWith('.bin')) return; // a recording names objects, and those are called the same in every package
  const values = [name, word, packageName];
  const text = readFileSync(file, 'utf8');
  const renamed = PLACEHOLDERS.reduce((all, placeholder, i) => all.replaceAll(placeholder, values[i]!), text);
  if (renamed !== text) writeFileSync(file, renamed);
}
