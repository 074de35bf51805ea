import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { BuildError } from './errors.ts';

/** Architectures the kernel's register names differ for, as `bpf_tracing.h` calls them. */
export const ARCHITECTURES = { x64: 'x86', x86: 'x86', amd64: 'x86', arm64: 'arm64', aarch64: 'arm64' } as const;

const OLDEST_CLANG = 14;
const NEWEST_CLANG = 30;

/** How to get what is needed, per package manager. */
export const INSTALL =
  'apt-get install -y clang llvm libbpf-dev linux-libc-dev | dnf install -y clang llvm libbpf-devel kernel-headers | apk add clang llvm libbpf-dev linux-headers';

/** Path of the first of `names` in PATH. */
function which(names: readonly string[]): string | undefined {
  for (const name of names) {
    if (name.includes('/')) {
      if (existsSync(name)) return name;
      continue;
    }
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      if (folder && existsSync(join(folder, name))) return join(folder, name);
    }
  }
  return undefined;
}

function versioned(name: string): string[] {
  const suffixed = [];
  for (let version = NEWEST_CLANG; version >= OLDEST_CLANG; version--) suffixed.push(`${name}-${version}`);
  return [name, ...suffixed];
}

/** The clang to use: `$CLANG`, `clang`, or the newest `clang-N`. */
export function findClang(): string {
  const asked = process.env['CLANG'];
  const clang = which(asked ? [asked] : versioned('clang'));
  if (!clang) {
    throw new BuildError('BPF programs cannot be compiled', {
      found: asked ? `CLANG=${asked}, which does not exist` : 'no clang in PATH',
      needed: `clang ${OLDEST_CLANG} or newer`,
      next: INSTALL,
    });
  }
  const { stdout } = spawnSync(clang, ['--version'], { encoding: 'utf8' });
  const major = Number(/version (\d+)\./.exec(stdout ?? '')?.[1] ?? 0);
  if (major < OLDEST_CLANG) {
    throw new BuildError('BPF programs cannot be compiled', {
      found: `${clang} ${major || 'of unknown version'}`,
      needed: `clang ${OLDEST_CLANG} or newer`,
      next: 'install a newer clang, or name one: CLANG=clang-16',
    });
  }
  return clang;
}

/** llvm-strip, where there is one: objects work without, and are larger. */
export function findStrip(): string | undefined {
  return which(process.env['LLVM_STRIP'] ? [process.env['LLVM_STRIP']] : versioned('llvm-strip'));
}

/** Headers of a libbpf of one's own, `$RETINA_LIBBPF_ROOT`, where the system's is too old: the loader is built against it too. */
export function libbpfIncludes(): string[] {
  const root = process.env['RETINA_LIBBPF_ROOT'];
  return root ? [join(root, 'include')] : [];
}

/** Folders with the kernel's `asm/types.h`, which distributions with several architectures keep apart. */
export function asmIncludes(): string[] {
  const root = '/usr/include';
  if (existsSync(join(root, 'asm/types.h'))) return [];
  const folders = existsSync(root) ? readdirSync(root) : [];
  // BPF sees fixed-width types only, the same everywhere, so that any architecture's will do
  const found = folders.filter((name) => existsSync(join(root, name, 'asm/types.h'))).sort();
  return found.slice(0, 1).map((name) => join(root, name));
}
