import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { descriptors, flood, NodeWorld, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { between, CONFIG, KERNEL, startAgent, swallow } from './fixture.ts';

const MINIMAL = fileURLToPath(new URL('../../../../examples/plugin-minimal', import.meta.url));
const MIB = 1024 * 1024;

describe.runIf(KERNEL)('what stays and what goes', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('exactlife');
    net = await NodeWorld.create(world, ['a', 'b']);
    await swallow(net.pod('a'), net.pod('b'));
  });
  afterAll(() => world[Symbol.asyncDispose]());

  /** Programs on the hooks of the node's interfaces. */
  const attached = async (): Promise<number> => {
    const { stdout } = await net.node.exec('bpftool', ['-j', 'net']);
    const [{ tc }] = JSON.parse(stdout) as [{ tc: unknown[] }];
    return tc.length;
  };

  it('runs a second tap plugin behind the first, on the same attachment, with the same counts', async () => {
    const both = { ...CONFIG.plugins, [MINIMAL]: {} };
    await using agent = await startAgent(net, { ...CONFIG, plugins: both });
    const before = await agent.metrics();
    expect(await attached()).toBe(6); // three taps, two hooks, one program each
    const [a, b] = [net.pod('a'), net.pod('b')];
    const sent = await flood(a.namespace, between(a, b, 'ipv4', { packets: 20_000, flows: 300, rate: 100_000 }));
    const names = before.samples
      .map(({ name }) => name)
      .filter((name) => name.startsWith('networkobservability_minimal'));
    expect(names.length).toBeGreaterThan(0);
    const grown = async () => {
      const now = await agent.metrics();
      return names.map((name) => now.sum(name) - before.sum(name));
    };
    await expect.poll(grown, { timeout: 5000 }).toContain(2 * sent.packets);
  });

  it('leaves nothing when it is ended, and nothing when it is killed', async () => {
    expect(await attached()).toBe(0);
    {
      await using agent = await startAgent(net);
      expect(await attached()).toBe(6);
      const begin = Date.now();
      expect(await agent.stop()).toBe(0);
      expect(Date.now() - begin).toBeLessThan(5000);
    }
    expect(await attached()).toBe(0);
    {
      await using agent = await startAgent(net);
      expect(await attached()).toBe(6);
      agent.running.kill('SIGKILL');
      await agent.running.ended;
      await expect.poll(attached, { timeout: 2000 }).toBe(0);
    }
    await using again = await startAgent(net);
    expect((await again.get('/readyz')).status).toBe(200);
  });

  it('leaks no descriptor and no memory over 100 reloads', async () => {
    await using agent = await startAgent(net);
    const [a, b] = [net.pod('a'), net.pod('b')];
    const reload = async (round: number) => {
      agent.configure({ ...CONFIG, plugins: { packetparser: { conntrackReportInterval: `${30 + (round % 2)}s` }, packetforward: { pollMs: 200 + (round % 2) }, dropreason: { intervalMs: 100 + (round % 2) } } }); // prettier-ignore
      const before = agent.log.split('configuration applied').length;
      process.kill(agent.pid, 'SIGHUP');
      await expect.poll(() => agent.log.split('configuration applied').length, { timeout: 5000, interval: 5 }).toBeGreaterThan(before); // prettier-ignore
    };
    for (let round = 0; round < 10; round++) await reload(round);
    await flood(a.namespace, between(a, b, 'ipv4', { packets: 1000 }));
    await sleep(1000);
    const [open, memory] = [descriptors(agent.pid), agent.usage().rssBytes];
    for (let round = 0; round < 100; round++) await reload(round);
    await sleep(1000);
    expect(descriptors(agent.pid)).toEqual(open);
    expect(await attached()).toBe(6);
    expect((agent.usage().rssBytes - memory) / MIB).toBeLessThan(25);
    const sent = await flood(a.namespace, between(a, b, 'ipv4', { packets: 1000, port: 9400, rate: 10_000 }));
    const match = { source_ip: a.ipv4, destination_ip: b.ipv4, direction: 'INGRESS' };
    await expect
      .poll(async () => (await agent.metrics()).sum('networkobservability_adv_forward_count', match), { timeout: 5000 })
      .toBeGreaterThanOrEqual(sent.packets);
  }, 120_000);

  it('keeps within its memory, and its log within reason, under a flood of flows', async () => {
    await using agent = await startAgent(net);
    const [a, b] = [net.pod('a'), net.pod('b')];
    await flood(a.namespace, between(a, b, 'ipv4', { packets: 300_000, flows: 100_000, ports: 2, order: 'random', rate: 150_000 })); // prettier-ignore
    await sleep(1500);
    expect(kernelMapBytes(agent.pid) / MIB).toBeLessThanOrEqual(32);
    expect(agent.usage().rssBytes / MIB).toBeLessThanOrEqual(120);
    expect(agent.log.length).toBeLessThan(20_000);
    const metrics = await agent.metrics();
    // A family is there from the start, whether or not anything has been counted in it.
    for (const name of ['networkobservability_forward_count', 'retina_plugin_state']) {
      expect(metrics.select(name).length, name).toBeGreaterThan(0);
    }
  });
});

/** What the kernel charges for the maps a process holds. */
function kernelMapBytes(pid: number): number {
  const maps = new Map<string, number>();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    const [id, bytes] = [/^map_id:\s*(\d+)/m.exec(info)?.[1], /^memlock:\s*(\d+)/m.exec(info)?.[1]];
    if (id && bytes) maps.set(id, Number(bytes));
  }
  return [...maps.values()].reduce((sum, bytes) => sum + bytes, 0);
}
