import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, symlinkSync } from 'node:fs'; // prettier-ignore
import { dirname, join, relative, resolve } from 'node:path';
import { run } from '@retina/testkit/kernels';

/** Not needed where things run. */
const LEFT_OUT = /\.(map|d\.ts|d\.mts|d\.cts|md|test\.ts|stamp|a|o)$/;
const OBJECT = /\.bpf\.o$/;
/** What of a workspace package is copied: what it ships, and what its tests for kernels are. */
const SHIPPED = /^(package\.json|dist\/.*|native\/.*|test\/.*|bin\/.*|src\/.*|build\/Release\/[^/]*\.node)$/;

/** A folder that becomes a root file system: files of this machine under the paths they have here. */
export class Tree {
  readonly folder: string;
  private readonly packages = new Set<string>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Where a path of the new system is now. */
  at(path: string): string {
    return join(this.folder, path);
  }

  /** Copies one file; a link is copied as what it leads to. */
  file(path: string, to = path): void {
    const target = this.at(to);
    if (existsSync(target)) return;
    mkdirSync(dirname(target), { recursive: true });
    const source = realpathSync(path);
    try {
      linkSync(source, target);
    } catch {
      copyFileSync(source, target); // another file system, or somebody else's file
    }
  }

  /** A program and the libraries it is linked to. `name` is looked up on the path. */
  async program(name: string): Promise<void> {
    const path = name.includes('/') ? name : (await run('sh', ['-c', `command -v ${name}`])).stdout.trim();
    this.file(path);
    await this.libraries(path);
  }

  /** The libraries of a program or library. */
  async libraries(path: string): Promise<void> {
    const { stdout } = await run('ldd', [path], { mayFail: true }); // fails for what is linked statically
    for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) this.file(library!);
  }

  /** A workspace package as built, and everything it stands on, linked as the package manager has linked them. */
  workspacePackage(folder: string): void {
    if (this.packages.has(folder)) return;
    this.packages.add(folder);
    for (const path of files(folder, 'node_modules')) {
      if (SHIPPED.test(relative(folder, path)) && (!LEFT_OUT.test(path) || OBJECT.test(path))) this.file(path);
    }
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    for (const link of links(join(folder, 'node_modules'))) {
      const name = relative(join(folder, 'node_modules'), link);
      const target = resolve(dirname(link), readlinkSync(link));
      const external = target.includes('/node_modules/');
      if (external && !(name in dependencies)) continue; // what only building and testing need
      // a package that only tests of it stand on is linked if it is there for another reason
      this.link(link);
      if (external) this.externalPackage(target);
      else if (name in dependencies) this.workspacePackage(target);
    }
  }

  /** A package of the store with its neighbours, which are links to what it stands on. */
  private externalPackage(folder: string): void {
    const store = folder.slice(0, folder.lastIndexOf('/node_modules/') + '/node_modules'.length);
    if (this.packages.has(store)) return;
    this.packages.add(store);
    for (const path of files(store)) if (!LEFT_OUT.test(path)) this.file(path);
    for (const link of links(store)) {
      this.link(link);
      this.externalPackage(resolve(dirname(link), readlinkSync(link)));
    }
  }

  private link(path: string): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    symlinkSync(readlinkSync(path), this.at(path));
  }
}

/** Plain files of a folder, all the way down, but not behind links; folders called `but` are passed over. */
function files(folder: string, but?: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === but ? [] : files(path, but);
    return entry.isFile() ? [path] : [];
  });
}

/** Packages linked in a node_modules, those of scopes included. */
function links(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) return [path];
    return entry.isDirectory() && entry.name.startsWith('@') ? links(path) : [];
  });
}
