import { chmodSync, copyFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AgentProcess, connect, NodeWorld, run, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { installed, npm, PackedPackages, WORKSPACE } from './packed.ts';

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');
const PROBE = '@acme/retina-plugin-packed-probe';
const SINK = '@acme/retina-exporter-packed-sink';
const SINK_PORT = 10_098;

const NOBODY = 65_534;

/** Everything a user does, with packed packages in empty folders and without this repository on the disk. */
kernel('packed', () => {
  let packed: PackedPackages;
  let world: World;
  let net: NodeWorld;
  let author: string;
  let node: string;
  let nodeInstalled: Promise<void>;

  beforeAll(async () => {
    packed = await PackedPackages.of('@retina/cli', '@retina/testkit', '@retina/bpf', '@retina/create-plugin');
    world = await World.create('packed');
    net = await NodeWorld.create(world, ['a', 'b']);
    [author, node] = [join(packed.folder, 'author'), join(packed.folder, 'node')];
    nodeInstalled = installed(node, packed.of('@retina/cli')); // beside what the author does
    nodeInstalled.catch(() => undefined);
    copyFileSync(process.execPath, join(packed.folder, 'node-program'));
  }, 240_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    packed[Symbol.dispose]();
  });

  /** A program in a mount namespace in which the repository is an empty folder. */
  const hidden = ['unshare', '-m', 'sh', '-c', `mount -t tmpfs none '${WORKSPACE}' && shift && exec "$0" "$@"`];
  const program = () => join(packed.folder, 'node-program');
  /** What `npm test` runs, as somebody without any right, who may not even see where npm lies. */
  const testedByNobody = async (cwd: string) => {
    const vitest = [program(), '../node_modules/vitest/vitest.mjs', 'run'];
    const as = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...vitest];
    const env = { NODE_OPTIONS: '', NODE_PATH: '', CI: '', HOME: author };
    return (await run('setpriv', as, { cwd, env, timeoutMs: 180_000 })).stdout;
  };

  it('a plugin and an exporter are made, tested and packed', async () => {
    await installed(author, packed.of('@retina/create-plugin', '@retina/testkit', '@retina/bpf'), {
      workspaces: ['packed-probe', 'packed-sink'],
    });
    const create = join(author, 'node_modules/@retina/create-plugin/dist/main.js');
    await run(program(), [create, '@acme/packed-probe', '--template', 'tap'], { cwd: author });
    await run(program(), [create, '@acme/packed-sink', '--template', 'pull'], { cwd: author });
    await npm(author, 'install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts');
    // Tests need no rights; a recording does, and is then of this kernel in place of the template's.
    for (const folder of [packed.folder, author]) chmodSync(folder, 0o755);
    await run('chown', ['-R', `${NOBODY}:${NOBODY}`, author]);
    const recording = join(author, 'packed-probe/fixtures/recording.bin');
    const proved = async (name: string) => {
      const here = ['--workspace', name];
      await npm(author, 'run', 'typecheck', ...here);
      expect(await testedByNobody(join(author, name.replace(/.*-(?=packed)/, '')))).toMatch(/Tests .* passed/);
      if (name === PROBE) {
        rmSync(recording);
        expect(await npm(author, 'run', 'record', ...here)).toMatch(/Tests .* passed/);
        expect(statSync(recording).size).toBeGreaterThan(0);
      }
      await npm(author, 'pack', ...here, '--pack-destination', author);
    };
    await Promise.all([proved(PROBE), proved(SINK)]);
    expect(readdirSync(author).filter((file) => file.endsWith('.tgz'))).toHaveLength(2);
  }, 240_000);

  it('an agent from packages runs both', async () => {
    await nodeInstalled;
    const cli = join(node, 'node_modules/@retina/cli/dist/main.js');
    for (const file of readdirSync(author).filter((name) => name.endsWith('.tgz'))) {
      const [command, ...args] = [...hidden, program(), 'node', cli, 'plugin', 'add', join(author, file), '--yes'];
      const { stdout } = await run(command, args, { cwd: node });
      expect(stdout).toContain('Installed @acme/retina-');
    }
    await using agent = await AgentProcess.start({
      in: net.node,
      entry: pathToFileURL(join(node, 'node_modules/@retina/agent/dist/main.js')),
      nodeArgs: [],
      under: [...hidden, program()],
      config: { plugins: { [PROBE]: { intervalMs: 100 } }, exporters: { prometheus: {}, [SINK]: { port: SINK_PORT } } },
    });
    const [a, b] = [net.pod('a'), net.pod('b')];
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
    await connect(a.namespace, { destination: b.ipv4, port: 80, packets: 7, size: 100, reset: true });
    await server.stop();
    await vi.waitFor(async () => {
      const resets = (await agent.metrics()).by('interface', 'networkobservability_packed_probe_resets_total');
      expect(resets).toEqual({ vetha: 7, vethb: 7 });
    }, 10_000);
    // The exporter's own server, from inside the node.
    const script = `fetch('http://127.0.0.1:${SINK_PORT}/').then((r) => r.text()).then((text) => process.stdout.write(text))`;
    const { stdout } = await net.node.exec(program(), ['-e', script]);
    const document = JSON.parse(stdout) as Record<string, readonly { readonly value: number }[]>;
    const sum = document['networkobservability_packed_probe_resets_total']!.reduce((all, { value }) => all + value, 0);
    expect(sum).toBe(14);
  }, 120_000);
});
