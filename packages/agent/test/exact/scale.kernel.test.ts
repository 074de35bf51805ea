import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentProcess, flood, NodeWorld, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentClient } from '../../src/api/index.ts';
import { accounted, between, KERNEL, less, passed, startAgent, swallow } from './fixture.ts';

describe.runIf(KERNEL)('exact at scale', () => {
  let world: World;
  let net: NodeWorld;
  let agent: AgentProcess;
  const taps = ['eth0', 'vetha', 'vethb'];

  beforeAll(async () => {
    world = await World.create('exactscale');
    net = await NodeWorld.create(world, ['a', 'b']);
    await swallow(net.pod('a'), net.pod('b'));
    agent = await startAgent(net);
  });
  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function exactly(work: () => Promise<void>): Promise<{ readonly packets: number; readonly overflow: number }> {
    const client = new AgentClient(agent.socket);
    const overflow = async () => (await client.status()).losses.filter(({ unit }) => unit === 'packets').reduce((n, { count }) => n + count, 0); // prettier-ignore
    const [before, counted, lost] = [await passed(net, taps), accounted(await client.status()), await overflow()];
    await work();
    const want = less(await passed(net, taps), before);
    await expect.poll(async () => less(accounted(await client.status()), counted), { timeout: 15_000 }).toEqual(want);
    return { packets: want.packets, overflow: (await overflow()) - lost };
  }

  it.each(['ipv4', 'ipv6'] as const)('one flow over %s at the highest rate there is', async (family) => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const { packets, overflow } = await exactly(async () => {
      const sent = await flood(a.namespace, between(a, b, family, { packets: 500_000, bypass: true }));
      expect(sent.packets).toBe(500_000);
    });
    expect(packets).toBeGreaterThanOrEqual(1_000_000); // it crosses two taps
    expect(overflow).toBe(0);
  });

  it.each(['ipv4', 'ipv6'] as const)('200 000 flows over %s, in random order at the highest rate', async (family) => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const more = { packets: 600_000, flows: 200_000, order: 'random', ports: 4, bypass: true } as const;
    const { packets } = await exactly(async () => {
      await flood(a.namespace, between(a, b, family, more));
    });
    expect(packets).toBeGreaterThanOrEqual(1_200_000);
  });

  it('a thousand flows are a few records each interval, whatever the rate', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const records = async () => (await agent.metrics()).sum('networkobservability_flow_ring_records_total');
    await sleep(1500);
    const before = await records();
    const sent = await flood(a.namespace, between(a, b, 'ipv4', { seconds: 2, rate: 100_000, flows: 1000, order: 'random' })); // prettier-ignore
    await sleep(1500);
    // Two taps; each drain finds a record per flow, and some more of flows that share a place in the index.
    expect((await records()) - before).toBeLessThan(sent.packets);
  });

  it('a reader that stands still: ring, spill and overflow together are all there was', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const { overflow } = await exactly(async () => {
      process.kill(agent.pid, 'SIGSTOP');
      try {
        await flood(a.namespace, between(a, b, 'ipv4', { packets: 800_000, flows: 400_000, ports: 8, bypass: true }));
      } finally {
        process.kill(agent.pid, 'SIGCONT');
      }
    });
    expect(overflow).toBeGreaterThan(0); // 800 000 records fit in no table: the test would else prove nothing
    expect((await agent.get('/healthz')).status).toBe(200);
  });
});
