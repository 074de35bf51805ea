import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '@retina/testkit';
import { WORKSPACE } from './packed.ts';
import type { Registry } from './registry.ts';

const NOBODY = '65534';

/** A machine of somebody else, as far as a folder can be one: Node and npm in it, another registry, and no trace of this repository. */
export class Elsewhere {
  /** Node's program. */
  readonly node: string;
  private readonly folder: string;
  private readonly registry: Registry;
  private readonly bin: string;
  private readonly env: Readonly<Record<string, string>>;

  private constructor(folder: string, registry: Registry, cache: string) {
    this.folder = folder;
    this.registry = registry;
    this.bin = join(folder, 'bin');
    this.node = join(this.bin, 'node');
    const path = (process.env['PATH'] ?? '').split(':').filter((one) => !one.startsWith(WORKSPACE));
    this.env = {
      PATH: [this.bin, ...path].join(':'),
      NODE_OPTIONS: '',
      NODE_PATH: '',
      npm_config_registry: registry.url,
      npm_config_cache: cache,
      npm_config_prefer_offline: 'true',
      npm_config_yes: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
    };
  }

  static async make(folder: string, registry: Registry): Promise<Elsewhere> {
    const [bin, cache] = [join(folder, 'bin'), join(folder, 'cache')];
    for (const one of [bin, cache]) mkdirSync(one);
    chmodSync(folder, 0o755); // for those without rights
    // Packages of others come from the cache that is there; what `npm create` runs is kept beside it, and must be of this run.
    const { stdout } = await run('npm', ['config', 'get', 'cache']);
    const others = join(stdout.trim(), '_cacache');
    mkdirSync(others, { recursive: true });
    symlinkSync(others, join(cache, '_cacache'));
    copyFileSync(process.execPath, join(bin, 'node'));
    const npm = (await run('npm', ['exec', '--call', 'printf %s "$npm_execpath"'])).stdout;
    let programs = dirname(realpathSync(npm));
    // A distribution's npm finds what it needs by where it lies, and is not in the repository; any other may be.
    if (existsSync(join(programs, '..', 'node_modules', 'semver'))) {
      cpSync(join(programs, '..'), join(folder, 'npm'), { recursive: true });
      programs = join(folder, 'npm', 'bin');
    }
    for (const name of ['npm', 'npx']) {
      const program = `#!/bin/sh\nexec '${bin}/node' '${programs}/${name}-cli.js' "$@"\n`;
      writeFileSync(join(bin, name), program, { mode: 0o755 });
    }
    return new Elsewhere(folder, registry, cache);
  }

  /** An empty folder. */
  empty(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder);
    return folder;
  }

  /** A command behind which the repository is an empty folder. Its first argument is left out: `under` of an agent puts Node's program there. */
  get hidden(): readonly string[] {
    return ['unshare', '-m', 'sh', '-c', `mount -t tmpfs none '${WORKSPACE}' && shift && exec "$0" "$@"`];
  }

  /** Runs a command where the repository is not, and returns what it said. */
  async run(cwd: string, command: string, ...args: readonly string[]): Promise<string> {
    const [first, ...others] = [...this.hidden, command, '', ...args] as [string, ...string[]];
    return (await run(first, others, { cwd, env: this.env, timeoutMs: 300_000 })).stdout;
  }

  npm(cwd: string, ...args: readonly string[]): Promise<string> {
    return this.run(cwd, 'npm', ...args);
  }

  /** npm as somebody without any right, whose own everything below `cwd` is from now on. */
  async npmByNobody(cwd: string, ...args: readonly string[]): Promise<string> {
    await run('chown', ['-R', `${NOBODY}:${NOBODY}`, cwd]);
    const as = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', 'env', 'CI=', `HOME=${cwd}`];
    return this.run(cwd, 'setpriv', ...as, 'npm', ...args);
  }

  publish(cwd: string, ...what: readonly string[]): Promise<string> {
    return this.npm(cwd, 'publish', this.registry.login, ...what);
  }
}
