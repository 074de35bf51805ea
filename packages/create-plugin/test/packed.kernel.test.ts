import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AgentProcess, connect, NodeWorld, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Elsewhere } from './elsewhere.ts';
import { PackedPackages, WORKSPACE } from './packed.ts';
import { Registry } from './registry.ts';

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');
const PROBE = 'retina-plugin-my-probe';
const SINK = 'retina-exporter-my-sink';
const RECEIVER_PORT = 10_098;

/** Takes what the exporter posts, and says for each push what all resets come to. */
const RECEIVER = `
require('node:http').createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text) => (body += text));
  request.on('end', () => {
    const lines = body.trimEnd().split('\\n').map((line) => JSON.parse(line));
    const resets = lines.filter(({ name }) => name === 'networkobservability_my_probe_resets_total');
    console.log('resets ' + resets.reduce((sum, { value }) => sum + value, 0));
    response.end();
  });
}).listen(${RECEIVER_PORT}, '127.0.0.1', () => console.log('ready'));`;

/** Everything a user does, with packages of a registry, in empty folders, and without this repository on the disk. */
kernel('packed', () => {
  let packed: PackedPackages;
  let registry: Registry;
  let elsewhere: Elsewhere;
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    registry = await Registry.start(/^(@retina\/|retina-(plugin|exporter)-)/);
    packed = await PackedPackages.make();
    elsewhere = await Elsewhere.make(packed.folder, registry);
    world = await World.create('packed');
    net = await NodeWorld.create(world, ['a', 'b']);
    const waiting = [...packed.all];
    const publisher = async () => {
      for (let file = waiting.pop(); file; file = waiting.pop()) await elsewhere.publish(packed.folder, file);
    };
    await Promise.all([publisher(), publisher(), publisher()]);
  }, 300_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    packed[Symbol.dispose]();
  });

  it('a plugin and an exporter are made, tested and published', async () => {
    expect(registry.published).toHaveLength(packed.all.length);
    const author = elsewhere.empty('author');
    await expect(elsewhere.run(author, 'ls', WORKSPACE)).resolves.toBe('');
    const proved = async (name: string, recording?: string) => {
      const cwd = join(author, name);
      await elsewhere.npm(cwd, 'install');
      // Tests need no rights; a recording does, and is then of this kernel in place of the template's.
      expect(await elsewhere.npmByNobody(cwd, 'test')).toMatch(/Tests .* passed/);
      await elsewhere.npmByNobody(cwd, 'run', 'typecheck');
      if (recording !== undefined) {
        const file = join(cwd, recording);
        rmSync(file);
        expect(await elsewhere.npm(cwd, 'run', 'record')).toMatch(/Tests .* passed/);
        expect(statSync(file).size).toBeGreaterThan(0);
      }
      await elsewhere.publish(cwd);
    };
    expect(await elsewhere.npm(author, 'create', '@retina/plugin', 'my-probe')).toContain(`${PROBE} in my-probe`);
    expect(await elsewhere.npm(author, 'create', '@retina/plugin', 'my-sink', '--', '--exporter')).toContain(`${SINK} in my-sink`); // prettier-ignore
    await Promise.all([proved('my-probe', 'fixtures/recording.bin'), proved('my-sink')]);
    expect(registry.published).toEqual(expect.arrayContaining([`${PROBE}@0.1.0`, `${SINK}@0.1.0`]));
  }, 300_000);

  it('an agent from the registry runs both', async () => {
    const node = elsewhere.empty('node');
    await elsewhere.npm(node, 'install', '@retina/agent', '@retina/cli', PROBE);
    const retina = (...args: string[]) => elsewhere.run(node, 'npx', 'retina', ...args);
    const added = await retina('plugin', 'add', SINK, '--yes');
    expect(added).toContain(`${SINK} 0.1.0: exporter my-sink`);
    expect(added).toContain(`Installed ${SINK} 0.1.0`);
    const listed = JSON.parse(await retina('plugin', 'list', '--output', 'json')) as { package: string; problem: string }[]; // prettier-ignore
    for (const name of [PROBE, SINK]) expect(listed.find((one) => one.package === name)).toMatchObject({ version: '0.1.0', problem: '' }); // prettier-ignore
    expect(existsSync(join(node, 'node_modules/@retina/agent/dist/main.js'))).toBe(true);

    const receiver = net.node.spawn(elsewhere.node, ['-e', RECEIVER]);
    await receiver.output(/ready/);
    await using agent = await AgentProcess.start({
      in: net.node,
      entry: pathToFileURL(join(node, 'node_modules/@retina/agent/dist/main.js')),
      nodeArgs: [],
      under: [...elsewhere.hidden, elsewhere.node],
      config: {
        plugins: { [PROBE]: { intervalMs: 100 } },
        exporters: {
          prometheus: {},
          [SINK]: { url: `http://127.0.0.1:${RECEIVER_PORT}/`, push: { interval: '200ms' } },
        },
      },
    });
    const [a, b] = [net.pod('a'), net.pod('b')];
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
    await connect(a.namespace, { destination: b.ipv4, port: 80, packets: 7, size: 100, reset: true });
    await server.stop();
    await vi.waitFor(async () => {
      const resets = (await agent.metrics()).by('interface', 'networkobservability_my_probe_resets_total');
      expect(resets).toEqual({ vetha: 7, vethb: 7 });
    }, 10_000);
    await receiver.output(/^resets 14$/m);
    expect(receiver.stdout).not.toMatch(/^resets (1[5-9]|[2-9]\d)/m);
  }, 180_000);
});
