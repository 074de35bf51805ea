import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentProcess, flood, NodeWorld, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentClient } from '../../src/api/index.ts';
import { add, type Amount, between, FlowTally, KERNEL, startAgent, swallow } from './fixture.ts';

describe.runIf(KERNEL)('interfaces that come and go', () => {
  let world: World;
  let net: NodeWorld;
  let agent: AgentProcess;
  let client: AgentClient;

  beforeAll(async () => {
    world = await World.create('exactlinks');
    net = await NodeWorld.create(world, ['a', 'b']);
    await swallow(net.pod('a'), net.pod('b'));
    agent = await startAgent(net);
    client = new AgentClient(agent.socket);
  });
  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const tapped = async (name: string) => (await client.taps()).find((tap) => tap.name === name);
  const seconds = { timeout: 5000 };

  it('taps an uplink that is itself a veth as an uplink', async () => {
    expect(await tapped('eth0')).toMatchObject({ role: 'uplink', mode: 'tcx' });
    expect(await tapped('vetha')).toMatchObject({ role: 'endpoint', mode: 'tcx' });
    const a = net.pod('a');
    await using tally = await FlowTally.start(agent);
    const before = await agent.metrics();
    const route = { device: 'eth0', source: a.ipv4, destination: net.outsideAddress.ipv4, destinationMac: '02:00:0a:f4:00:01' }; // prettier-ignore
    const sent = await flood(a.namespace, { ...route, packets: 3000, rate: 50_000 });
    const grown = async (name: string) =>
      (await agent.metrics()).sum(name, { direction: 'egress' }) - before.sum(name, { direction: 'egress' });
    await expect.poll(() => grown('networkobservability_forward_count'), seconds).toBe(sent.packets);
    expect(await grown('networkobservability_forward_bytes')).toBe(sent.bytes);
    // Flows belong to the namespace of the pod; what is behind the uplink's veth is not theirs.
    const netns = (name: string) => new Set(tally.select((flow) => flow.interface?.name === name).map((f) => f.netns));
    await expect.poll(() => [netns('vetha'), netns('eth0')], seconds).toEqual([new Set([a.namespace.inode]), new Set([undefined])]); // prettier-ignore
  });

  it('taps a new veth within 100 ms, and keeps the last counts of a pod that lives two seconds', async () => {
    await using tally = await FlowTally.start(agent);
    const made = Date.now();
    const pod = await net.addPod('brief');
    await expect.poll(async () => (await tapped('vethbrief'))?.mode, { timeout: 2000, interval: 5 }).toBe('tcx');
    expect(Date.now() - made).toBeLessThan(600); // what making the pod took, and 100 ms
    await sleep(100);
    const sent = await flood(pod.namespace, between(pod, net.pod('b'), 'ipv4', { packets: 7777, rate: 20_000, port: 9200 })); // prettier-ignore
    await net.removePod('brief');
    const match = { packets: sent.packets, bytes: sent.bytes };
    await expect
      .poll(() => tally.sum(({ IP, interface: on }) => IP.source === pod.ipv4 && on?.name === 'vethbrief'), seconds)
      .toEqual(match);
    await expect.poll(() => tapped('vethbrief'), seconds).toBeUndefined();
  });

  it('taps a veth that returns under the same name, MAC and addresses', async () => {
    const counts: Amount[] = [];
    for (let round = 0; round < 3; round++) {
      await using tally = await FlowTally.start(agent);
      const pod = await net.addPod('phoenix', 99);
      await expect.poll(async () => (await tapped('vethphoenix'))?.mode, seconds).toBe('tcx');
      const ifindex = (await tapped('vethphoenix'))!.ifindex;
      const sent = await flood(pod.namespace, between(pod, net.pod('b'), 'ipv6', { packets: 1000 + round, port: 9201 })); // prettier-ignore
      await expect
        .poll(() => tally.sum((flow) => flow.interface?.index === ifindex && flow.IP.source === pod.ipv6), seconds)
        .toEqual({ packets: sent.packets, bytes: sent.bytes });
      counts.push({ packets: sent.packets, bytes: sent.bytes });
      await net.removePod('phoenix');
      await expect.poll(() => tapped('vethphoenix'), seconds).toBeUndefined();
    }
    expect(counts.map(({ packets }) => packets)).toEqual([1000, 1001, 1002]);
  });

  it('loses nothing while interfaces come and go under traffic', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    await sleep(1500); // what the tests before sent is reported
    await using tally = await FlowTally.start(agent);
    const flooding = flood(a.namespace, between(a, b, 'ipv4', { seconds: 4, rate: 100_000, flows: 200, order: 'random', port: 9310 })); // prettier-ignore
    const guests: (Amount & { readonly on: string })[] = [];
    for (let round = 0; round < 6; round++) {
      const pod = await net.addPod(`guest${round}`);
      await expect.poll(async () => (await tapped(pod.hostInterface))?.mode, { ...seconds, interval: 5 }).toBe('tcx');
      const { packets, bytes } = await flood(pod.namespace, between(pod, b, 'ipv4', { packets: 5000, flows: 50, port: 9300 + round })); // prettier-ignore
      await net.removePod(`guest${round}`);
      guests.push({ packets, bytes, on: pod.hostInterface });
    }
    const { packets, bytes } = await flooding;
    const all = [{ packets, bytes, on: 'vetha' }, ...guests];
    const on = (name: string) => tally.sum((flow) => flow.interface?.name === name && 'UDP' in flow.l4);
    for (const { on: name, ...amount } of all) {
      await expect
        .poll(() => on(name), { timeout: 10_000, message: `${name}, ${tally.lost} lines lost` })
        .toEqual(amount);
    }
    await expect.poll(() => on('vethb'), { timeout: 10_000 }).toEqual(add(all));
    expect(tally.lost).toBe(0);
  });
});
