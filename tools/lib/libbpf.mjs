import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './paths.mjs';
import { run } from './run.mjs';
import { fail, step } from './say.mjs';

/** The crate that carries libbpf's published sources; used where the distribution's libbpf is older than 1.0. */
const CRATE = { name: 'libbpf-sys', version: '1.5.2' };

/** Where it is built to: a folder per version. */
function rootOfLibbpf() {
  const key = createHash('sha256').update(`${CRATE.name} ${CRATE.version} ${process.arch}`).digest('hex').slice(0, 16);
  return join(cacheDir(), `libbpf-${key}`);
}

export function libbpfIsBuilt() {
  return existsSync(join(rootOfLibbpf(), 'lib', 'libbpf.a'));
}

/** Builds a static libbpf once per version into the cache; returns the folder to pass as RETINA_LIBBPF_ROOT. */
export async function buildLibbpf() {
  const root = rootOfLibbpf();
  if (libbpfIsBuilt()) return root;
  step(`Building libbpf ${CRATE.version} (this distribution's is too old)`);
  const work = `${root}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'lib.rs'), '');
  writeFileSync(
    join(work, 'Cargo.toml'),
    `[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n` +
      `[dependencies]\n${CRATE.name} = { version = "=${CRATE.version}", default-features = false }\n`,
  );
  if ((await run('cargo', ['vendor', '--quiet', 'vendor'], { cwd: work })) !== 0) {
    fail(
      'cargo could not fetch libbpf.',
      'check that the crates registry can be reached, or install libbpf 1.0 or newer',
    );
  }
  const source = join(work, 'vendor', CRATE.name, 'libbpf', 'src');
  const args = [
    '-C',
    source,
    '-j2',
    'BUILD_STATIC_ONLY=1',
    `PREFIX=${work}/out`,
    `LIBDIR=${work}/out/lib`,
    'install',
    'install_uapi_headers',
  ];
  if ((await run('make', args)) !== 0) fail('libbpf did not build.', 'see the compiler output above');
  rmSync(root, { recursive: true, force: true });
  renameSync(join(work, 'out'), root);
  rmSync(work, { recursive: true, force: true });
  return root;
}
