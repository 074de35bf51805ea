import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { buildLibbpf } from './libbpf.mjs';
import { cacheDir, NODE, ROOT } from './paths.mjs';
import { capture, run } from './run.mjs';
import { fail, step } from './say.mjs';
import { bpftoolFolder, ensureSystem, libbpfVersion } from './system.mjs';

const STATE = join(ROOT, '.retina');
const WORKSPACES = ['bpf', 'bench', 'kernels', 'cluster', 'packages', 'plugins', 'exporters', 'examples'];
const SKIP = new Set(['node_modules', 'dist', 'build', '.turbo', 'coverage', 'test', 'fixtures']);

/**
 * Everything between a fresh clone and a built tree, each step only when its inputs changed. Returns the environment in
 * which the project's own tools run: pinned pnpm and Node first on the path.
 */
export async function setup({ forTests = false, kernels = false, build = true } = {}) {
  mkdirSync(STATE, { recursive: true });
  // Where nft, tc and bpftool are, and where a plain user's path does not lead.
  process.env.PATH += ['', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);
  const { buildLibbpf: needed } = await ensureSystem({ forTests, kernels });
  const bpftool = forTests && bpftoolFolder();
  if (bpftool) process.env.PATH = [bpftool, process.env.PATH].join(delimiter);
  const env = { ...process.env, ...(await pinnedTools()) };
  if (needed) env.RETINA_LIBBPF_ROOT = await buildLibbpf();
  await installDependencies(env);
  if (build) await buildAll(env);
  return env;
}

async function pinnedTools() {
  const [, version] = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).packageManager.split('@');
  const tools = join(STATE, 'tools');
  const ours = join(tools, 'node_modules', '.bin');
  let path = [dirname(NODE), join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  if (capture('pnpm', ['--version'], { cwd: '/' }) !== version) {
    const manifest = join(tools, 'node_modules', 'pnpm', 'package.json');
    const have = existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version;
    if (have !== version) {
      step(`Installing pnpm ${version}`);
      mkdirSync(tools, { recursive: true });
      writeFileSync(join(tools, 'package.json'), '{"private":true}\n');
      const args = ['install', '--prefix', tools, '--no-audit', '--no-fund', '--loglevel=error', `pnpm@${version}`];
      if ((await run('npm', args)) !== 0)
        fail(`npm could not install pnpm ${version}.`, 'check that the npm registry can be reached');
    }
    path = [ours, path].join(delimiter);
  }
  return { PATH: path, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_CACHE_DIR: join(cacheDir(), 'turbo'), TURBO_NO_UPDATE_NOTIFIER: '1' }; // prettier-ignore
}

async function installDependencies(env) {
  const manifests = ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', ...packageJsons()];
  const key = digest(manifests.map((file) => [file, readFileSync(join(ROOT, file))]));
  if (stamp('install') === key && existsSync(NODE)) return;
  step('Installing dependencies and Node 24 (pnpm install)');
  const args = ['install', '--frozen-lockfile', '--prefer-offline', '--reporter=append-only'];
  if ((await run('pnpm', args, { cwd: ROOT, env })) !== 0) {
    fail('pnpm could not install the dependencies.', 'read its message above; the lock file must fit the manifests');
  }
  stamp('install', key);
}

async function buildAll(env) {
  env.RETINA_TOOLCHAIN = toolchain(env.RETINA_LIBBPF_ROOT);
  const key = digest([['toolchain', env.RETINA_TOOLCHAIN], ...sourceFiles()]);
  if (stamp('build') === key && existsSync(join(ROOT, 'packages', 'agent', 'dist', 'main.js'))) return;
  step('Building: native loader, BPF objects, packages (turbo run build)');
  const args = ['run', 'build', '--output-logs=errors-only', '--concurrency=2', '--ui=stream'];
  if ((await run('turbo', args, { cwd: ROOT, env })) !== 0) fail('The build failed.', 'see the first error above');
  stamp('build', key);
}

/** Part of every cache key: an object built by another compiler or against another libbpf is another object. */
function toolchain(libbpf) {
  const first = (text) => text?.split('\n')[0] ?? 'none';
  const versions = [capture('clang', ['--version']), capture('c++', ['--version'])].map(first);
  return [...versions, `libbpf ${libbpf ?? libbpfVersion()}`, process.arch, capture('getconf', ['GNU_LIBC_VERSION'])].join('; '); // prettier-ignore
}

function packageJsons() {
  return WORKSPACES.flatMap((dir) => {
    if (!existsSync(join(ROOT, dir))) return [];
    if (existsSync(join(ROOT, dir, 'package.json'))) return [join(dir, 'package.json')];
    return readdirSync(join(ROOT, dir)).map((name) => join(dir, name, 'package.json'));
  }).filter((file) => existsSync(join(ROOT, file)));
}

/** Size and time of every source: enough to see that nothing changed; what did change turbo decides by content. */
function sourceFiles() {
  const found = [];
  const walk = (dir) => {
    for (const entry of readdirSync(join(ROOT, dir), { withFileTypes: true })) {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) {
        if (!SKIP.has(entry.name)) walk(path);
      } else if (!entry.name.includes('.gen.')) {
        const { size, mtimeMs } = statSync(join(ROOT, path));
        found.push([path, `${size} ${mtimeMs}`]);
      }
    }
  };
  for (const dir of WORKSPACES) if (existsSync(join(ROOT, dir))) walk(dir);
  return found;
}

function digest(entries) {
  const hash = createHash('sha256');
  for (const [name, content] of entries) hash.update(name).update('\0').update(content).update('\0');
  return hash.digest('hex');
}

function stamp(name, value) {
  const file = join(STATE, `${name}.stamp`);
  if (value !== undefined) writeFileSync(file, value);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
