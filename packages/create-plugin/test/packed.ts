import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@retina/testkit';

/** The repository, which a user does not have. */
export const WORKSPACE = fileURLToPath(new URL('../../..', import.meta.url));

interface PackageJson {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Folders of the packages of this repository, by name. */
function workspacePackages(): ReadonlyMap<string, string> {
  const groups = ['packages', 'plugins', 'exporters'].flatMap((group) =>
    readdirSync(join(WORKSPACE, group)).map((name) => join(WORKSPACE, group, name)),
  );
  const folders = [join(WORKSPACE, 'bpf'), ...groups].filter((folder) => existsSync(join(folder, 'package.json')));
  return new Map(folders.map((folder) => [manifest(folder).name, folder]));
}

function manifest(folder: string): PackageJson {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson;
}

/** `names` and everything of this repository that they stand on. */
function closure(names: readonly string[], folders: ReadonlyMap<string, string>): readonly string[] {
  const found = new Set<string>();
  const visit = (name: string) => {
    const folder = folders.get(name);
    if (!folder || found.has(name)) return;
    found.add(name);
    const { dependencies, peerDependencies } = manifest(folder);
    Object.keys({ ...dependencies, ...peerDependencies }).forEach(visit);
  };
  names.forEach(visit);
  return [...found];
}

/** A folder outside the repository with packages as the registry would have them. */
export class PackedPackages implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'retina-packed-'));
  private readonly files = new Map<string, string>();
  private readonly folders = workspacePackages();

  /** Packs what is built: `names` and what they stand on, several at a time. */
  static async of(...names: string[]): Promise<PackedPackages> {
    const packed = new PackedPackages();
    const all = closure(names, packed.folders);
    for (const name of all) {
      if (existsSync(join(packed.folders.get(name)!, 'dist'))) continue;
      throw new Error(`Expected ${name} to be built but there is no dist/; run: turbo run build`);
    }
    const filters = all.map((name) => `--filter=${name}`);
    const args = ['-r', ...filters, '--workspace-concurrency=2', 'pack', '--pack-destination', packed.folder];
    await run('pnpm', args, { cwd: WORKSPACE, timeoutMs: 180_000 });
    for (const name of all) packed.files.set(name, packed.find(name));
    if (all.includes('@retina/loader')) await packed.addPrebuild('@retina/loader');
    return packed;
  }

  /** The packed files of packages and of what they stand on. */
  of(...names: string[]): readonly string[] {
    return closure(names, this.folders).map((name) => this.files.get(name)!);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private find(name: string): string {
    const start = `${name.replace('@', '').replace('/', '-')}-`;
    const file = readdirSync(this.folder).find((one) => one.startsWith(start) && /^\d/.test(one.slice(start.length)));
    if (!file) throw new Error(`Expected a packed file of ${name} but found ${readdirSync(this.folder).join()}`);
    return join(this.folder, file);
  }

  /** A release brings the native loader built for each platform; here for this one. */
  private async addPrebuild(name: string): Promise<void> {
    const file = this.files.get(name)!;
    const unpacked = mkdtempSync(join(this.folder, 'loader-'));
    await run('tar', ['-xzf', file, '-C', unpacked]);
    const target = join(unpacked, 'package/prebuilds', `${process.platform}-${process.arch}`, 'retina_loader.node');
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(this.folders.get(name)!, 'build/Release/retina_loader.node'), target);
    await run('tar', ['-czf', file, '-C', unpacked, 'package']);
  }
}

/** An empty folder with a package.json, into which npm installs. */
export async function installed(folder: string, packages: readonly string[], more: object = {}): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, ...more }));
  await npm(folder, 'install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', ...packages);
}

/** npm as a user runs it: nothing of this repository is in its environment. */
export async function npm(folder: string, ...args: string[]): Promise<string> {
  const env = { NODE_OPTIONS: '', NODE_PATH: '', npm_config_yes: 'true' };
  return (await run('npm', args, { cwd: folder, env, timeoutMs: 180_000 })).stdout;
}
