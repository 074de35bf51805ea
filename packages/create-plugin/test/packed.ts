import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@retina/testkit';

/** The repository, which a user does not have. */
export const WORKSPACE = fileURLToPath(new URL('../../..', import.meta.url));

/** Folders of the packages of this repository that are released, by name. */
function workspacePackages(): ReadonlyMap<string, string> {
  const groups = ['packages', 'plugins', 'exporters'].flatMap((group) =>
    readdirSync(join(WORKSPACE, group)).map((name) => join(WORKSPACE, group, name)),
  );
  const folders = [join(WORKSPACE, 'bpf'), ...groups].filter((folder) => existsSync(join(folder, 'package.json')));
  return new Map(folders.map((folder) => [nameOf(folder), folder]));
}

function nameOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string }).name;
}

/** A folder outside the repository with packages as the registry would have them. */
export class PackedPackages implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'retina-packed-'));
  private readonly files = new Map<string, string>();
  private readonly folders = workspacePackages();

  /** Packs all of them, as they are built. */
  static async make(): Promise<PackedPackages> {
    const packed = new PackedPackages();
    const all = [...packed.folders.keys()];
    for (const name of all) {
      if (existsSync(join(packed.folders.get(name)!, 'dist'))) continue;
      throw new Error(`Expected ${name} to be built but there is no dist/; run: turbo run build`);
    }
    const filters = all.map((name) => `--filter=${name}`);
    const args = ['-r', ...filters, '--workspace-concurrency=2', 'pack', '--pack-destination', packed.folder];
    await run('pnpm', args, { cwd: WORKSPACE, timeoutMs: 180_000 });
    for (const name of all) packed.files.set(name, packed.find(name));
    await packed.addPrebuild('@retina/loader');
    return packed;
  }

  /** Every packed file. */
  get all(): readonly string[] {
    return [...this.files.values()];
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
