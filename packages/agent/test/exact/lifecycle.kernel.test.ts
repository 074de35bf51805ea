import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type AgentProcess,
  connect,
  descriptors,
  flood,
  heldBpf,
  type HeldBpf,
  NodeWorld,
  run,
  World,
} from '@retina/testkit';
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

  /** Taps are three interfaces, two hooks each. */
  const taps = (agent: AgentProcess) => heldBpf(agent.pid).links.filter(({ type }) => type === 'tcx').length;
  /** Of the BPF objects a process held, how many the kernel still has. */
  const left = async ({ programs, maps }: HeldBpf): Promise<number> => {
    const alive = async (kind: string, id: number) =>
      (await run('bpftool', [kind, 'show', 'id', String(id)], { mayFail: true })).code === 0;
    const all = await Promise.all([
      ...programs.map(({ id }) => alive('prog', id)),
      ...maps.map((id) => alive('map', id)),
    ]);
    return all.filter(Boolean).length;
  };

  it('runs a second tap plugin behind the first, on the same attachment, with the same counts', async () => {
    const both = { ...CONFIG.plugins, [MINIMAL]: {} };
    await using agent = await startAgent(net, { ...CONFIG, plugins: both });
    expect(taps(agent)).toBe(6); // as many as without the second
    const [a, b] = [net.pod('a'), net.pod('b')];
    const made = await connect(a.namespace, { destination: b.ipv4, port: 9, packets: 500, connections: 10 });
    expect(made.refused).toBe(500);
    const syns = async (on: string, direction: string) =>
      (await agent.metrics()).sum('networkobservability_tcp_syns_total', { interface: on, direction });
    await expect.poll(() => syns('vetha', 'ingress'), { timeout: 5000 }).toBe(500);
    await expect.poll(() => syns('vethb', 'egress'), { timeout: 5000 }).toBe(500);
    expect(await syns('vethb', 'ingress')).toBe(0);
    const match = { flag: 'SYN', source_ip: a.ipv4, destination_ip: b.ipv4 };
    const first = async () => (await agent.metrics()).sum('networkobservability_adv_tcpflags_count', match);
    await expect.poll(first, { timeout: 5000 }).toBe(1000); // the plugin in front saw the same, at both ends
  });

  it('leaves nothing when it is ended, and nothing when it is killed', async () => {
    {
      await using agent = await startAgent(net);
      expect(taps(agent)).toBe(6);
      const held = heldBpf(agent.pid);
      expect(await left(held)).toBeGreaterThan(10);
      const begin = Date.now();
      expect(await agent.stop()).toBe(0);
      expect(Date.now() - begin).toBeLessThan(5000);
      await expect.poll(() => left(held), { timeout: 3000 }).toBe(0);
    }
    {
      await using agent = await startAgent(net);
      const held = heldBpf(agent.pid);
      expect(await left(held)).toBeGreaterThan(10);
      agent.running.kill('SIGKILL');
      await agent.running.ended;
      await expect.poll(() => left(held), { timeout: 3000 }).toBe(0);
    }
    await using again = await startAgent(net);
    expect((await again.get('/readyz')).status).toBe(200);
  });

  it('leaks no descriptor and no memory over 100 reloads', async () => {
    await using agent = await startAgent(net);
    const [a, b] = [net.pod('a'), net.pod('b')];
    const reload = async (round: number) => {
      agent.configure({ ...CONFIG, plugins: { packetparser: { intervalMs: 1000 + (round % 2) }, packetforward: { intervalMs: 200 + (round % 2) }, dropreason: { intervalMs: 100 + (round % 2), rulesEverySeconds: 1 } } }); // prettier-ignore
      const before = agent.log.split('configuration applied').length;
      process.kill(agent.pid, 'SIGHUP');
      await expect.poll(() => agent.log.split('configuration applied').length, { timeout: 5000, interval: 5 }).toBeGreaterThan(before); // prettier-ignore
    };
    for (let round = 0; round < 10; round++) await reload(round);
    await flood(a.namespace, between(a, b, 'ipv4', { packets: 1000 }));
    await sleep(1500); // the rules are read for the first time, on a thread that stays
    const [open, memory] = [descriptors(agent.pid), agent.usage().rssBytes];
    for (let round = 0; round < 100; round++) await reload(round);
    await sleep(1000);
    expect(descriptors(agent.pid)).toEqual(open);
    expect(taps(agent)).toBe(6);
    expect((agent.usage().rssBytes - memory) / MIB).toBeLessThan(25);
    const sent = await flood(a.namespace, between(a, b, 'ipv4', { packets: 1000, port: 9400, rate: 10_000 }));
    const match = { source_ip: a.ipv4, destination_ip: b.ipv4, direction: 'INGRESS' };
    await expect
      .poll(async () => (await agent.metrics()).sum('networkobservability_adv_forward_count', match), { timeout: 5000 })
      .toBeGreaterThanOrEqual(sent.packets);
  }, 120_000);

  it('sleeps through a flood, with the kernel’s maps within their budget and its log within reason', async () => {
    await using agent = await startAgent(net);
    const [a, b] = [net.pod('a'), net.pod('b')];
    const asleep = agent.usage().wakeUps;
    const sent = await flood(a.namespace, between(a, b, 'ipv4', { packets: 300_000, flows: 100_000, ports: 2, order: 'random', rate: 150_000 })); // prettier-ignore
    expect(agent.usage().wakeUps - asleep).toBeLessThan(sent.packets / 50); // not one for each packet, by far
    await sleep(1500);
    expect(heldBpf(agent.pid).mapBytes / MIB).toBeLessThanOrEqual(32);
    expect(agent.log.length).toBeLessThan(20_000);
    const metrics = await agent.metrics();
    // A family is there from the start, whether or not anything has been counted in it.
    for (const name of ['networkobservability_forward_count', 'retina_plugin_state']) {
      expect(metrics.select(name).length, name).toBeGreaterThan(0);
    }
  });
});
