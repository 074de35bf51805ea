import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compileFolder } from './compile.ts';
import { BuildError } from './errors.ts';
import { ARCHITECTURES } from './toolchain.ts';

const USAGE = `retina-bpf [options] [folder]

Compiles every bpf/NAME.bpf.c of a plugin's folder (default: the current one) to dist/NAME.bpf.o and writes
src/NAME.gen.ts: the layouts of its streams and tables, and its constants. Does nothing when nothing changed.

  --arch NAME   target architecture: x64 or arm64 (default: this machine's)
  --force       compile even when nothing changed
  --help        this text

Environment: CLANG, LLVM_STRIP name the programs to use.`;

function main(): void {
  const { values, positionals } = parseArgs({
    options: { arch: { type: 'string' }, force: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const asked = values.arch ?? process.arch;
  const arch = ARCHITECTURES[asked as keyof typeof ARCHITECTURES];
  if (!arch) {
    throw new BuildError('This architecture is not supported', {
      found: asked,
      needed: Object.keys(ARCHITECTURES).join(', '),
    });
  }
  const folder = resolve(positionals[0] ?? '.');
  for (const { object, changed } of compileFolder({ folder, arch, force: values.force ?? false })) {
    if (changed) process.stdout.write(`retina-bpf: ${relative(process.cwd(), object)}\n`);
  }
}

try {
  main();
} catch (error) {
  const known = error instanceof BuildError || (error instanceof Error && 'code' in error);
  if (!known) throw error;
  process.stderr.write(`retina-bpf: ${error.message}\n`);
  if (error instanceof BuildError && error.detail) process.stderr.write(`${error.detail}\n`);
  process.exitCode = 1;
}
