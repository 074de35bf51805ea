import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../world/run.ts';

/** Packing and installing take seconds, and on a busy machine minutes. */
const PATIENT_MS = 180_000;

/** A folder outside of any workspace, with packages as a registry would have given them. */
export interface InstalledPackages extends Disposable {
  /** Holds `node_modules`. */
  readonly folder: string;
  /** Files of each package that was packed, by name. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** Runs an ES module there, with no condition but Node's own; resolves with its standard output. */
  node(module: string): Promise<string>;
}

/**
 * Packs built packages by their folders and installs them in an empty folder, as a user would. What they need beside each other comes
 * from npm's cache or its registry. Throws where a package has no `dist`.
 */
export async function installPacked(...folders: readonly string[]): Promise<InstalledPackages> {
  const root = mkdtempSync(join(tmpdir(), 'retina-installed-'));
  try {
    const [packed, folder] = [join(root, 'packed'), join(root, 'app')];
    for (const path of [packed, folder]) mkdirSync(path);
    const unbuilt = folders.find((one) => !existsSync(join(one, 'dist')));
    if (unbuilt !== undefined) throw new Error(`${unbuilt} has no dist; build it first`);
    // All at once: most of it is waiting for pnpm to begin.
    await Promise.all(folders.map((cwd) => run('pnpm', ['pack', '--pack-destination', packed], { cwd, timeoutMs: PATIENT_MS }))); // prettier-ignore
    const archives = readdirSync(packed).map((file) => join(packed, file));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    // Nothing of the workspace's environment: no conditions, no folder to look for modules in.
    const env = { NODE_OPTIONS: '', NODE_PATH: '' };
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
    await run('npm', ['install', ...flags, ...archives], { cwd: folder, env, timeoutMs: PATIENT_MS });
    return {
      folder,
      files: new Map(await Promise.all(archives.map((archive) => contents(archive)))),
      async node(module) {
        writeFileSync(join(folder, 'main.mjs'), module);
        return (await run(process.execPath, ['main.mjs'], { cwd: folder, env })).stdout;
      },
      [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
    };
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
}

async function contents(archive: string): Promise<readonly [string, readonly string[]]> {
  const { stdout } = await run('tar', ['-tzf', archive]);
  const manifest = await run('tar', ['-xzOf', archive, 'package/package.json']);
  const { name } = JSON.parse(manifest.stdout) as { name: string };
  return [name, stdout.trim().split('\n').map((file) => file.replace(/^package\//, ''))]; // prettier-ignore
}

/** The package.json of an installed package. */
export function installedManifest({ folder }: InstalledPackages, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
}
