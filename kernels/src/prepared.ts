import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '@retina/testkit/kernels';
import { Apt, type Build } from './apt.ts';
import { cpio, type Entry } from './cpio.ts';
import { ext4 } from './ext4.ts';
import { type Kernel, Unavailable } from './kernels.ts';

/** How long a found build is used before the mirror is asked for a newer one. */
const FRESH_MS = 7 * 24 * 3600_000;
/** A part of every key: to be raised when what is made of the packages changes. */
const LAYOUT = 3;
/** Parts of the kernel the tests may need; the rest of its modules would only take room. */
const MODULES = /^(arch|crypto|lib|net|fs\/overlayfs|drivers\/(block|net|virtio|char\/hw_random))\//;
/** Needed before the root file system is there, tried twice: which one needs which differs. What a kernel has built in is passed over. */
const EARLY = ['virtio', 'virtio_ring', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci', 'virtio_blk'];

/** A kernel ready to boot. */
export interface Prepared {
  readonly kernel: Kernel;
  /** `uname -r` */
  readonly release: string;
  /** Of the package. */
  readonly version: string;
  readonly image: string;
  readonly initrd: string;
  /** A file system with the kernel's modules. */
  readonly modules: string;
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'retina', 'kernels');
}

/**
 * The newest build of a kernel, from the cache where it is there: the mirror is asked once a week, or when `look` says so, and
 * what is in the cache serves when it cannot be reached. Throws {@link Unavailable}.
 */
export async function prepare(kernel: Kernel, look = false): Promise<Prepared> {
  const cache = cacheFolder();
  const note = join(cache, `${kernel.suite}.json`);
  const known = existsSync(note) ? (JSON.parse(readFileSync(note, 'utf8')) as Build & { at: number }) : undefined;
  const have = (build: Build) => existsSync(join(folderOf(kernel, build), 'release'));
  const apt = new Apt(join(cache, 'apt'), kernel);
  let build: Build | undefined = known;
  if (look || !known || Date.now() - known.at > FRESH_MS || !have(known)) {
    try {
      build = await apt.resolve();
      writeFileSync(note, JSON.stringify({ ...build, at: Date.now() }));
    } catch (error) {
      if (!(error instanceof Unavailable) || !known || !have(known)) throw error;
      process.stderr.write(`  ${error.message}; using ${known.version} from the cache\n`);
    }
  }
  const folder = folderOf(kernel, build!);
  if (!have(build!)) await unpack(kernel, build!, apt, folder);
  const release = readFileSync(join(folder, 'release'), 'utf8');
  const file = (name: string) => join(folder, name);
  return { kernel, release, version: build!.version, image: file('vmlinuz'), initrd: file('initrd'), modules: file('modules.ext4') }; // prettier-ignore
}

function folderOf(kernel: Kernel, build: Build): string {
  return join(cacheFolder(), `${kernel.suite}-${build.version}-${LAYOUT}`);
}

async function unpack(kernel: Kernel, build: Build, apt: Apt, folder: string): Promise<void> {
  mkdirSync(cacheFolder(), { recursive: true });
  const work = mkdtempSync(`${folder}.`);
  try {
    const [packages, tree] = [join(work, 'packages'), join(work, 'tree')];
    await apt.download(build, packages);
    for (const name of readdirSync(packages)) await run('dpkg-deb', ['-x', join(packages, name), tree]);
    const modules = [join(tree, 'lib', 'modules'), join(tree, 'usr', 'lib', 'modules')].find(existsSync);
    const release = modules && readdirSync(modules)[0];
    if (!modules || !release) throw new Error(`the packages of ${kernel.suite} ${build.version} hold no modules`);
    const image = [join(tree, 'boot', `vmlinuz-${release}`), join(modules, release, 'vmlinuz')].find(existsSync);
    if (!image) throw new Error(`the packages of ${kernel.suite} ${build.version} hold no kernel image`);
    renameSync(image, join(work, 'vmlinuz'));
    await keepModules(join(modules, release));
    await run('busybox', ['depmod', '-b', modules.replace(/\/lib\/modules$/, ''), release]);
    writeFileSync(join(work, 'initrd'), initrd(join(modules, release)));
    await ext4(join(work, 'modules.ext4'), join(modules, release));
    rmSync(packages, { recursive: true });
    rmSync(tree, { recursive: true });
    writeFileSync(join(work, 'release'), release);
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
    for (const name of readdirSync(cacheFolder())) {
      const older = name.startsWith(`${kernel.suite}-`) && join(cacheFolder(), name) !== folder;
      if (older && existsSync(join(cacheFolder(), name, 'release')))
        rmSync(join(cacheFolder(), name), { recursive: true });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Removes modules that no test needs, and unpacks those that stay. */
async function keepModules(folder: string): Promise<void> {
  const kernel = join(folder, 'kernel');
  const packed: string[] = [];
  for (const path of readdirSync(kernel, { recursive: true, encoding: 'utf8' })) {
    if (!/\.ko(\.\w+)?$/.test(path)) continue;
    if (!MODULES.test(path)) rmSync(join(kernel, path));
    else if (path.endsWith('.xz')) packed.push(join(kernel, path));
  }
  while (packed.length) await run('busybox', ['unxz', ...packed.splice(0, 500)]);
}

/** The first file system: waits for nothing but the disks, then hands over to the second. */
function initrd(modules: string): Buffer {
  const all = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  const early = EARLY.flatMap((name) => all.filter((path) => path.endsWith(`/${name}.ko`)));
  const init = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
${[...early, ...early].map((path) => `/bin/busybox insmod /${base(path)} 2>/dev/null`).join('\n')}
for i in $(/bin/busybox seq 200); do [ -b /dev/vda ] && [ -b /dev/vdb ] && break; /bin/busybox usleep 50000; done
/bin/busybox mount -t ext4 /dev/vda /root || exec /bin/busybox poweroff -f
/bin/busybox umount /dev
exec /bin/busybox switch_root /root /init
`;
  const entries: Entry[] = [
    ...['bin', 'dev', 'root'].map((path) => ({ path })),
    { path: 'bin/busybox', content: readFileSync(busybox()), executable: true },
    { path: 'init', content: Buffer.from(init), executable: true },
    ...early.map((path) => ({ path: base(path), content: readFileSync(join(modules, path)) })),
  ];
  return cpio(entries);
}

function base(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The machine's busybox; it must be one that needs no libraries. */
export function busybox(): string {
  return ['/bin/busybox', '/usr/bin/busybox'].find(existsSync) ?? '/bin/busybox';
}
