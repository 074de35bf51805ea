// The JavaScript of an image: built workspace packages and what they depend on, as one flat node_modules.
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** What nobody needs at run time. */
const LEFT_OUT =
  /\.(map|md|markdown|stamp|flow|ts|mts|cts|tsbuildinfo)$|(^|\/)(\.[^/]*|test|tests|__tests__|example|examples|docs|benchmark|coverage)(\/|$)/i;
const LEGAL = /(^|\/)(licen[cs]e|notice|copying)[^/]*$/i;

/**
 * Adds the packages in the folders `roots`, and all that they depend on, to `tree` below `at`. Where two need different
 * versions of a third, the first one's stands at the top and the other's inside its package, as npm does it.
 */
export function addPackages(tree, at, roots) {
  const top = new Map();
  const place = (folder, parent) => {
    const real = realpathSync(folder);
    const manifest = JSON.parse(readFileSync(join(real, 'package.json'), 'utf8'));
    const there = top.get(manifest.name);
    if (there?.real === real) return;
    const path = there ? join(parent, 'node_modules', manifest.name) : join(at, manifest.name);
    if (there && tree.has(join(path, 'package.json'))) return;
    if (!there) top.set(manifest.name, { real, version: manifest.version });
    for (const file of filesOf(real, manifest)) tree.set(join(path, file), content(join(real, file)));
    const optional = new Set([...Object.keys(manifest.optionalDependencies ?? {}), ...optionalPeers(manifest)]);
    const needed = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies };
    for (const name of Object.keys(needed).sort()) {
      const found = find(name, real);
      if (found) place(found, path);
      else if (!optional.has(name))
        throw new Error(`${manifest.name} needs ${name}, which is not installed: pnpm install`);
    }
  };
  for (const root of roots) place(root, at);
  return new Map([...top].map(([name, { version }]) => [name, version]));
}

/** Adds what `npm pack` or `pnpm pack` wrote. What it depends on must be in the image already, or in it as a bundle. */
export function addPacked(tree, at, file) {
  const folder = mkdtempSync(join(tmpdir(), 'retina-packed-'));
  try {
    execFileSync('tar', ['-xzf', file, '-C', folder]);
    const root = join(folder, 'package');
    const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const one of walk(root)) tree.set(join(at, name, relative(root, one)), content(one));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const optionalPeers = ({ peerDependenciesMeta = {} }) =>
  Object.keys(peerDependenciesMeta).filter((name) => peerDependenciesMeta[name].optional);

function find(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

function content(file) {
  const executable = lstatSync(file).mode & 0o100;
  return { data: readFileSync(file), mode: executable ? 0o755 : 0o644 };
}

function filesOf(root, manifest) {
  const ours = !root.includes(`${join('/', 'node_modules', '.pnpm')}/`);
  const all = [...walk(root)].map((file) => relative(root, file));
  if (!ours) return all.filter((file) => LEGAL.test(file) || !LEFT_OUT.test(file));
  const code = reachable(root, manifest);
  if (code.size === 0) throw new Error(`${manifest.name} is not built: npm test or npm start builds it`);
  const prebuilt = (file) => /^dist\/.*(\.bpf\.o|\.json|\.html|\.txt)$|^prebuilds\/.*\.node$/.test(file);
  return ['package.json', ...all.filter((file) => LEGAL.test(file) || prebuilt(file)), ...code];
}

/** Modules that the entry points of a built package lead to: what an older build left beside them stays out. */
function reachable(root, { exports: map, bin, main }) {
  const found = new Set();
  const follow = (file) => {
    if (found.has(file) || !/\.(m|c)?js$/.test(file) || !existsSync(join(root, file))) return;
    found.add(file);
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, path] of text.matchAll(/["'`](\.{1,2}\/[^"'`\s]+?\.[mc]?js)["'`]/g))
      follow(join(dirname(file), path));
  };
  const targets = (value) => {
    if (typeof value === 'string') follow(join(value));
    else if (value && typeof value === 'object') Object.values(value).forEach(targets);
  };
  [map, bin, main].forEach(targets);
  return found;
}

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
