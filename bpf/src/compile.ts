import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError } from './errors.ts';
import { generateModule } from './generate.ts';
import { describeObject } from './object.ts';
import { asmIncludes, findClang, findStrip, INSTALL, libbpfIncludes } from './toolchain.ts';

/** Raised when the tool writes other output for the same input. */
const FORMAT = 2;
const HEADERS = fileURLToPath(new URL('../include', import.meta.url));

export interface CompileOptions {
  /** The plugin's folder: sources in `bpf/`, objects go to `dist/`, layouts to `src/`. */
  readonly folder: string;
  /** As `bpf_tracing.h` names it: `x86` or `arm64`. */
  readonly arch: string;
  /** Compile even when nothing changed. */
  readonly force?: boolean;
}

export interface Compiled {
  /** `NAME` of `bpf/NAME.bpf.c`. */
  readonly name: string;
  readonly object: string;
  readonly module: string;
  /** False when everything was up to date. */
  readonly changed: boolean;
}

/**
 * What an object was made from: when none of it changed there is nothing to do, and no compiler is needed. Files of the
 * project are named from the plugin's folder, so that a stamp that a build cache brings into another checkout speaks of
 * the files there.
 */
interface Stamp {
  readonly format: number;
  readonly arch: string;
  readonly inputs: Readonly<Record<string, string>>;
}

/** Compiles every `bpf/*.bpf.c` of a plugin's folder. */
export function compileFolder(options: CompileOptions): Compiled[] {
  const sources = join(options.folder, 'bpf');
  const names = existsSync(sources) ? readdirSync(sources).filter((file) => file.endsWith('.bpf.c')) : [];
  if (names.length === 0) {
    throw new BuildError('There is nothing to compile', {
      found: `no *.bpf.c in ${sources}`,
      next: "run retina-bpf in the plugin's folder, or name the folder",
    });
  }
  removeOrphans(options.folder, new Set(names.map((file) => basename(file, '.bpf.c'))));
  return names.sort().map((file) => compileSource(join(sources, file), options));
}

/** What a program left that is gone or is called otherwise now: it would be packed with the others. */
function removeOrphans(folder: string, names: ReadonlySet<string>): void {
  const dist = join(folder, 'dist');
  for (const file of existsSync(dist) ? readdirSync(dist) : []) {
    const name = basename(file, '.bpf.stamp'); // only what was made here has a stamp
    if (name === file || names.has(name)) continue;
    for (const made of [join(dist, `${name}.bpf.o`), join(folder, 'src', `${name}.gen.ts`), join(dist, file)]) {
      rmSync(made, { force: true });
    }
  }
}

function compileSource(source: string, { folder, arch, force }: CompileOptions): Compiled {
  const name = basename(source, '.bpf.c');
  const object = join(folder, 'dist', `${name}.bpf.o`);
  const module = join(folder, 'src', `${name}.gen.ts`);
  const stampFile = join(folder, 'dist', `${name}.bpf.stamp`);
  if (!force && existsSync(object) && existsSync(module) && isCurrent(folder, stampFile, arch)) {
    return { name, object, module, changed: false };
  }
  mkdirSync(join(folder, 'dist'), { recursive: true });
  mkdirSync(join(folder, 'src'), { recursive: true });
  const unfinished = `${object}.tmp`;
  const dependencies = `${object}.d`;
  try {
    run(source, findClang(), [
      ...['-target', 'bpf', '-O2', '-g', '-mcpu=v3', '-Wall'],
      // Mistakes that would show only when the kernel refuses the program; other warnings differ between compilers.
      ...['-Werror=implicit-function-declaration', '-Werror=return-type', '-Werror=incompatible-pointer-types'],
      ...(process.env['RETINA_WERROR'] ? ['-Werror'] : []),
      `-D__TARGET_ARCH_${arch}`,
      `-I${HEADERS}`,
      ...[...libbpfIncludes(), ...asmIncludes()].map((path) => `-I${path}`),
      ...['-ffile-prefix-map=' + folder + '=.', '-MD', '-MF', dependencies, '-c', source, '-o', unfinished],
    ]);
    const strip = findStrip();
    if (strip) run(source, strip, ['-g', unfinished]);
    const description = describeObject(readFileSync(unfinished));
    writeFileSync(module, generateModule(relative(folder, source), description));
    renameSync(unfinished, object);
    const inputs = readDependencies(readFileSync(dependencies, 'utf8'));
    const stamp: Stamp = {
      format: FORMAT,
      arch,
      inputs: Object.fromEntries(inputs.map((path) => [stampPath(folder, path), digest(path)])),
    };
    writeFileSync(stampFile, JSON.stringify(stamp, null, 1));
  } finally {
    rmSync(unfinished, { force: true });
    rmSync(dependencies, { force: true });
  }
  return { name, object, module, changed: true };
}

function stampPath(folder: string, path: string): string {
  const own = [folder, HEADERS].some((root) => path.startsWith(join(root, '/')));
  return own ? relative(folder, path) : path;
}

function isCurrent(folder: string, stampFile: string, arch: string): boolean {
  if (!existsSync(stampFile)) return false;
  try {
    const stamp = JSON.parse(readFileSync(stampFile, 'utf8')) as Stamp;
    if (stamp.format !== FORMAT || stamp.arch !== arch) return false;
    return Object.entries(stamp.inputs).every(([name, hash]) => {
      const path = resolve(folder, name);
      return existsSync(path) && digest(path) === hash;
    });
  } catch {
    return false; // a stamp that cannot be read says nothing: compile
  }
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32);
}

/** The prerequisites in a makefile rule as compilers write them. */
function readDependencies(rule: string): string[] {
  const list = rule.slice(rule.indexOf(':') + 1).replace(/\\\n/g, ' ');
  return (list.match(/(?:\\ |\S)+/g) ?? []).map((path) => path.replace(/\\ /g, ' ')).sort();
}

function run(source: string, command: string, args: readonly string[]): void {
  const { status, error, stderr, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const output = `${stdout ?? ''}${stderr ?? ''}`.trim();
  const missing = /'((?:bpf|linux|asm)\/[\w./-]+)' file not found/.exec(output)?.[1];
  if (missing) {
    throw new BuildError(`${source} does not compile`, {
      found: `no header <${missing}>`,
      needed: 'the headers of libbpf and of the kernel',
      next: INSTALL,
    });
  }
  throw new BuildError(`${source} does not compile`, {
    found: error ? error.message : `${basename(command)} ended with ${status}`,
    next: 'see the messages below',
    detail: output,
  });
}
