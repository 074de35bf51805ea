import { type AgentProcess, NodeWorld, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG, FlowTally, KERNEL, startAgent, swallow } from '../exact/fixture.ts';
import { DROPPED_PORT, Other, othersObject, send } from './fixture.ts';

describe.runIf(KERNEL)('other programs on our hooks', { timeout: 120_000 }, () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('others');
    net = await NodeWorld.create(world, ['a', 'b']);
    await swallow(net.pod('a'), net.pod('b'));
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const patient = { timeout: 8000 };
  /** Packets to a port that the agent saw at an interface. */
  const at = (tally: FlowTally, name: string, port = 9000) =>
    tally.sum((flow) => flow.interface?.name === name && 'UDP' in flow.l4 && flow.l4.UDP.destination_port === port)
      .packets;
  const killed = async (agent: AgentProcess) => {
    agent.running.kill('SIGKILL');
    await agent.running.ended;
  };

  it('go on before and behind ours, count what we count, and outlive our end and our crash', async () => {
    await using behind = await Other.attach(net.node, 'passes_on', 'vetha'); // ours goes in front of it
    await using agent = await startAgent(net);
    await using before = await Other.attach(net.node, 'passes_on', 'vetha');
    {
      await using tally = await FlowTally.start(agent);
      await send(net, 5000);
      await expect.poll(() => at(tally, 'vetha'), patient).toBe(5000);
    }
    expect([await behind.count(), await before.count()]).toEqual([5000, 5000]);
    expect(await agent.stop()).toBe(0);
    await send(net, 700);
    expect([await behind.count(), await before.count()]).toEqual([5700, 5700]);
    await using again = await startAgent(net);
    await killed(again);
    await send(net, 30);
    expect([await behind.count(), await before.count()]).toEqual([5730, 5730]);
  });

  it('decide what we see when they stand in front, and nothing of it when they stand behind', async () => {
    await using behind = await Other.attach(net.node, 'drops', 'vetha');
    await using agent = await startAgent(net);
    await using tally = await FlowTally.start(agent);
    await send(net, 1000, DROPPED_PORT);
    await expect.poll(() => at(tally, 'vetha', DROPPED_PORT), patient).toBe(1000); // seen, then dropped
    expect([await behind.count(), at(tally, 'vethb', DROPPED_PORT)]).toEqual([1000, 0]);
    {
      await using before = await Other.attach(net.node, 'accepts', 'vetha');
      await send(net, 1000, 9001);
      await expect.poll(() => at(tally, 'vethb', 9001), patient).toBe(1000);
      expect([await before.count(), at(tally, 'vetha', 9001)]).toEqual([1000, 0]); // it asks nobody behind it
    }
    await send(net, 1000, 9002);
    await expect.poll(() => at(tally, 'vetha', 9002), patient).toBe(1000);
  });

  it('keep their clsact filters and qdisc when ours start, stop and crash', async () => {
    const tc = async (...args: string[]) => (await net.node.exec('tc', args)).stdout;
    await tc('qdisc', 'add', 'dev', 'vetha', 'clsact');
    const filter = `filter add dev vetha ingress prio 100 handle 7 bpf direct-action object-file ${othersObject()} program passes_on`;
    await tc(...filter.split(' '));
    const theirs = async () => (await tc('filter', 'show', 'dev', 'vetha', 'ingress')).match(/.*handle 0x7 .*/g);
    const ours = async () => (await tc('filter', 'show', 'dev', 'vetha', 'ingress')).match(/retina:/g)?.length ?? 0;
    const mine = await theirs();
    expect(mine).toHaveLength(1);
    const config = { ...CONFIG, enableTCX: 'off' };
    {
      await using agent = await startAgent(net, config);
      {
        await using tally = await FlowTally.start(agent);
        await send(net, 500);
        await expect.poll(() => at(tally, 'vetha'), patient).toBe(500);
      }
      expect([await theirs(), await ours()]).toEqual([mine, 1]);
      await agent.stop();
      expect([await theirs(), await ours()]).toEqual([mine, 0]);
    }
    {
      await using agent = await startAgent(net, config);
      await killed(agent);
      expect([await theirs(), await ours()]).toEqual([mine, 1]); // a filter outlives its process
      await using next = await startAgent(net, config);
      expect([await theirs(), await ours()]).toEqual([mine, 1]);
      await next.stop();
    }
    expect([await theirs(), await ours()]).toEqual([mine, 0]);
    expect(await tc('qdisc', 'show', 'dev', 'vetha')).toContain('clsact');
    expect(await tc('qdisc', 'show', 'dev', 'vethb')).not.toContain('clsact'); // that one was ours
    await tc('qdisc', 'del', 'dev', 'vetha', 'clsact');
  });

  it.each(['xdpdrv', 'xdpgeneric'])('that drop by XDP (%s) do so before any hook of ours', async (mode) => {
    const dropped = async () => {
      const { stdout } = await net.node.exec('ethtool', ['-S', 'vetha']);
      return [...stdout.matchAll(/xdp_drops: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await using agent = await startAgent(net);
    await using tally = await FlowTally.start(agent);
    const before = await dropped();
    await net.node.exec('ip', ['link', 'set', 'dev', 'vetha', mode, 'object', othersObject(), 'section', 'xdp']);
    try {
      await send(net, 800, DROPPED_PORT);
      await send(net, 300, 9003);
      await expect.poll(() => at(tally, 'vetha', 9003), patient).toBe(300);
      expect(at(tally, 'vetha', DROPPED_PORT)).toBe(0);
      // A driver's program is in the driver's statistics; a generic one only in the drops of the kernel.
      expect((await dropped()) - before).toBe(mode === 'xdpdrv' ? 800 : 0);
    } finally {
      await net.node.exec('ip', ['link', 'set', 'dev', 'vetha', mode, 'off']);
    }
  });
});
