import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AgentProcess, connect, heldBpf, NodeWorld, run, serve, World, type Namespace } from '@retina/testkit';
import { AgentClient, type FlowJson } from '../src/api/index.ts';

const ENTRY = new URL('../src/main.ts', import.meta.url);
const CONFIG = { plugins: { packetparser: {}, packetforward: {}, dropreason: {} }, exporters: { prometheus: {} }, enablePodLevel: true, remoteContext: true }; // prettier-ignore
const END_MS = 5000;

let world: World;
let net: NodeWorld;
let folder: string;
beforeEach(async () => {
  world = await World.create('agent');
  net = await NodeWorld.create(world, ['a', 'b']);
  folder = mkdtempSync(join(tmpdir(), 'retina-agent-test-'));
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A file that names the pods default/a and default/b. */
function identityFile(): string {
  const endpoints = ['a', 'b'].map((name) => {
    const { ipv4, ipv6 } = net.pod(name);
    return { addresses: [ipv4, ipv6], namespace: 'default', name };
  });
  const file = join(folder, 'identity.yaml');
  writeFileSync(file, JSON.stringify({ endpoints }));
  return file;
}

/** clsact filters on the interfaces of a namespace. */
async function filters(space: Namespace): Promise<string[]> {
  const { stdout } = await space.exec('bpftool', ['-j', 'net', 'list']);
  const [lists] = JSON.parse(stdout) as [{ tc: { devname: string; kind: string }[] }];
  // newer ones list tcx programs as well
  return lists.tc.flatMap(({ devname, kind }) => (kind.startsWith('clsact') ? [`${devname} ${kind}`] : []));
}

/** Ids of the tcx links a process holds: three taps, two hooks each. */
function tcxLinks(pid: number): number[] {
  return heldBpf(pid).links.flatMap(({ id, type }) => (type === 'tcx' ? [id] : []));
}

/** Those of the links that the kernel still has. */
async function alive(links: readonly number[]): Promise<number[]> {
  const shown = links.map(async (id) => (await run('bpftool', ['link', 'show', 'id', String(id)], { mayFail: true })).code === 0); // prettier-ignore
  const still = await Promise.all(shown);
  return links.filter((_, i) => still[i]);
}

async function traffic(): Promise<void> {
  const [a, b] = [net.pod('a'), net.pod('b')];
  const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
  await connect(a.namespace, { destination: b.ipv4, port: 80, packets: 3, size: 100 });
  await server.stop();
}

async function collect(flows: AsyncIterable<object>): Promise<FlowJson[]> {
  const all: FlowJson[] = [];
  for await (const flow of flows) all.push(flow as FlowJson);
  return all;
}

it('shows what pods do on its API and as metrics, and ends by SIGTERM without a trace', async () => {
  await using agent = await AgentProcess.start({ in: net.node, entry: ENTRY, config: { ...CONFIG, identity: { file: identityFile() } } }); // prettier-ignore
  const client = new AgentClient(agent.socket);
  const status = await client.status();
  expect(status).toMatchObject({
    ready: true,
    configuration: agent.configFile,
    endpoints: ['http://localhost:10093/metrics'],
  });
  expect(status.taps.map(({ name, role, mode }) => `${name} ${role} ${mode}`).sort()).toEqual(['eth0 uplink tcx', 'vetha endpoint tcx', 'vethb endpoint tcx']); // prettier-ignore
  const links = tcxLinks(agent.pid);
  expect(links).toHaveLength(6);

  await traffic();
  const ours = { pod: 'default/a', port: 80, protocol: 'tcp', last: 100 };
  await expect.poll(async () => (await collect(client.flows(ours))).some((flow) => flow.event === 'end')).toBe(true);
  const flows = await collect(client.flows(ours));
  expect(new Set(flows.flatMap((f) => [f.source.pod_name, f.destination.pod_name]))).toEqual(new Set(['a', 'b']));
  await expect.poll(async () => (await client.top('talkers')).rows).toContainEqual(expect.objectContaining({ source: 'default/a', destination: 'default/b' })); // prettier-ignore
  expect((await client.top('connections')).rows).toContainEqual(expect.objectContaining({ source: 'default/a', protocol: 'TCP', destinationPort: 80 })); // prettier-ignore
  const metrics = await agent.metrics();
  const sent = metrics.sum('networkobservability_adv_forward_count', { source_podname: 'a', destination_podname: 'b' });
  expect(sent).toBeGreaterThanOrEqual(3 * 4);
  expect((await client.config()) as object).toMatchObject({ podLevel: 'remote', plugins: { packetparser: {} } });

  const before = Date.now();
  expect(await agent.stop()).toBe(0);
  expect(Date.now() - before).toBeLessThan(END_MS);
  await expect.poll(() => alive(links)).toEqual([]);
  expect(await filters(net.node)).toEqual([]);
  expect(existsSync(agent.socket)).toBe(false);
});

it('is replaced after SIGKILL: tcx links end with it, its socket is taken over', async () => {
  await using first = await AgentProcess.start({ in: net.node, entry: ENTRY, config: CONFIG });
  const links = tcxLinks(first.pid);
  expect(links).toHaveLength(6);
  first.running.kill('SIGKILL');
  await first.running.ended;
  await expect.poll(() => alive(links)).toEqual([]);
  expect(existsSync(first.socket)).toBe(true);
  await using again = net.node.spawn(process.execPath, ['--conditions=@retina/source', ENTRY.pathname, '--no-tui', '--config', first.configFile]); // prettier-ignore
  await again.output(/"msg":"observing"/);
  expect((await new AgentClient(first.socket).status()).pid).toBe(again.pid);

  const second = net.node.spawn(process.execPath, ['--conditions=@retina/source', ENTRY.pathname, '--no-tui', '--config', first.configFile]); // prettier-ignore
  expect(await second.ended).toBe(1);
  expect(second.stderr).toContain('Another agent is running here');
  expect(tcxLinks(again.pid)).toHaveLength(6);
});

it('leaves no clsact filter: not at SIGTERM, and those of a killed agent go at the next start', async () => {
  const config = { ...CONFIG, enableTCX: 'off' };
  {
    await using killed = await AgentProcess.start({ in: net.node, entry: ENTRY, config });
    expect((await new AgentClient(killed.socket).taps()).map((tap) => tap.mode)).toEqual([
      'clsact',
      'clsact',
      'clsact',
    ]);
    killed.running.kill('SIGKILL');
    await killed.running.ended;
  }
  expect(await filters(net.node)).toHaveLength(6);
  await using next = await AgentProcess.start({ in: net.node, entry: ENTRY, config: CONFIG });
  expect(tcxLinks(next.pid)).toHaveLength(6);
  expect(await filters(net.node)).toEqual([]);
  await next.stop();
  await using orderly = await AgentProcess.start({ in: net.node, entry: ENTRY, config });
  await orderly.stop();
  expect(await filters(net.node)).toEqual([]);
});

it('applies a changed file, keeps what it has when the file has mistakes, and says which', async () => {
  await using agent = await AgentProcess.start({ in: net.node, entry: ENTRY, config: CONFIG });
  const client = new AgentClient(agent.socket);
  const plugins = async () => (await client.status()).components.filter((c) => c.kind === 'plugin').map((c) => c.name);
  agent.configure({ ...CONFIG, plugins: { packetforward: {} } });
  await expect.poll(plugins, { timeout: 5000 }).toEqual(['packetforward']);
  agent.configure({ ...CONFIG, plugins: { packetforward: { intervalMs: 'often' } }, exportres: {} });
  await expect.poll(() => agent.log, { timeout: 5000 }).toMatch(/exporters/);
  expect(agent.log).toMatch(/intervalMs/);
  expect(await plugins()).toEqual(['packetforward']);
  agent.configure(CONFIG);
  agent.running.kill('SIGHUP');
  await expect.poll(plugins, { timeout: 5000 }).toHaveLength(3);
  expect(await agent.stop()).toBe(0);
});

it('says what is missing without rights (exit code 1), and every mistake of a configuration (2)', async () => {
  const run = (args: readonly string[], drop: readonly string[] = []) => {
    const node = [process.execPath, '--conditions=@retina/source', ENTRY.pathname, '--no-tui', ...args];
    const [command, ...rest] = [...drop, ...node];
    return net.node.exec(command!, rest, { mayFail: true });
  };
  // still root, who may read a checkout below /root, but without any right of root's
  const powerless = ['setpriv', '--inh-caps=-all', '--bounding-set=-all'];
  const refused = await run([], powerless);
  expect(refused.code).toBe(1);
  for (const text of ['needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN', 'sudo setcap', 'retina doctor'])
    expect(refused.stderr).toContain(text);

  const file = join(folder, 'wrong.yaml');
  writeFileSync(file, 'plugins: {packetparsr: {}}\nlogLevel: loud\n');
  const wrong = await run(['--config', file]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/packetparsr[\s\S]*did you mean packetparser[\s\S]*logLevel/);
  expect((await run(['--colour'])).code).toBe(2);
});

it('outlives what a plugin leaves lying about: promises nobody awaits, timers that throw, work that goes on after its end', async () => {
  const zod = pathToFileURL(createRequire(new URL('../../core/package.json', import.meta.url)).resolve('zod')).href;
  const file = join(folder, 'rude.mjs');
  writeFileSync(
    file,
    `import { z } from '${zod}';
     export default {
       name: 'rude', api: 1, description: 'Of a test.', stability: 'experimental', platforms: ['linux'],
       needs: { capabilities: [] }, config: z.object({ n: z.number().default(0) }), metrics: {},
       setup(ctx) {
         void Promise.reject(new Error('forgotten'));
         setTimeout(() => { throw new Error('timer'); }, 10);
         void (async () => { await new Promise((done) => ctx.signal.addEventListener('abort', done)); ctx.defer(() => {}); })();
       },
     };`,
  );
  const config = (n: number) => ({ plugins: { [file]: { n } }, exporters: { prometheus: {} } });
  await using agent = await AgentProcess.start({ in: net.node, entry: ENTRY, config: config(0) });
  agent.configure(config(1));
  const late = () =>
    agent.log.split('\n').some((line) => line.includes('its scope had ended') && line.includes('rude'));
  await vi.waitFor(() => expect(late()).toBe(true), 5000);
  await vi.waitFor(async () => {
    const errors = (await agent.metrics()).sum('retina_handler_errors_total', { kind: 'plugin', name: 'rude' });
    expect(errors).toBe(5);
  });
  expect(agent.log).not.toContain('a rejected promise nobody awaited');
  expect(await agent.stop()).toBe(0);
});
