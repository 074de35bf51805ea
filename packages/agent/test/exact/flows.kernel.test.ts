import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AgentProcess, connect, datagrams, flood, NodeWorld, sendFrames, serve, shapes, stream, World,
} from '@retina/testkit'; // prettier-ignore
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentClient } from '../../src/api/index.ts';
import type { FlowJson } from '../../src/api/types.ts';
import { accounted, between, FlowTally, KERNEL, less, passed, startAgent, swallow } from './fixture.ts';

describe.runIf(KERNEL)('flows, to the packet and the byte', () => {
  let world: World;
  let net: NodeWorld;
  let agent: AgentProcess;
  let tally: FlowTally;
  const taps = ['eth0', 'vetha', 'vethb'];

  beforeAll(async () => {
    world = await World.create('exactflows');
    net = await NodeWorld.create(world, ['a', 'b']);
    await swallow(net.pod('a'), net.pod('b'));
    agent = await startAgent(net);
    tally = await FlowTally.start(agent);
  });
  afterAll(async () => {
    await tally?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const at = (name: string, source: string, destination: string, port: number) => (flow: FlowJson) => {
    const l4 = Object.values(flow.l4)[0] as { destination_port?: number };
    return (
      flow.interface?.name === name &&
      flow.IP.source === source &&
      flow.IP.destination === destination &&
      l4?.destination_port === port
    );
  };

  it.each(['ipv4', 'ipv6'] as const)('one flow over %s: once at each of the two taps it crosses', async (family) => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const sent = await flood(a.namespace, between(a, b, family, { packets: 10_000, rate: 100_000, port: 9100 }));
    const amount = { packets: sent.packets, bytes: sent.bytes };
    expect(amount.packets).toBe(10_000);
    for (const [tap, point, direction] of [
      ['vetha', 'FROM_ENDPOINT', 'EGRESS'],
      ['vethb', 'TO_ENDPOINT', 'INGRESS'],
    ] as const) {
      const match = at(tap, a[family], b[family], 9100);
      await expect.poll(() => tally.sum(match), { timeout: 5000 }).toEqual(amount);
      for (const flow of tally.select(match)) {
        expect(flow).toMatchObject({ trace_observation_point: point, traffic_direction: direction, is_reply: false });
      }
    }
    expect(tally.lost).toBe(0);
  });

  it('counts a packet between two pods of one node once for each of them, and not at the node', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const before = await agent.metrics();
    const sent = await flood(a.namespace, between(a, b, 'ipv4', { packets: 5000, rate: 50_000, port: 9101 }));
    const grown = async (name: string, match: Record<string, string>) => {
      const now = await agent.metrics();
      return now.sum(name, match) - before.sum(name, match);
    };
    const ends = { source_ip: a.ipv4, destination_ip: b.ipv4 };
    for (const direction of ['EGRESS', 'INGRESS']) {
      const match = { ...ends, direction };
      const count = 'networkobservability_adv_forward_count';
      await expect.poll(() => grown(count, match), { timeout: 5000 }).toBe(sent.packets);
      expect(await grown('networkobservability_adv_forward_bytes', match)).toBe(sent.bytes);
    }
    expect(await grown('networkobservability_forward_count', {})).toBe(0);
  });

  it('does not lose the tail of a flow that falls silent', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const before = accounted(await new AgentClient(agent.socket).status());
    const sources = Array.from({ length: 20 }, (_, i) => 30_000 + i);
    for (const sourcePort of sources) {
      await datagrams(a.namespace, {
        source: a.ipv6,
        destination: b.ipv6,
        port: 9102,
        sourcePort,
        packets: 3,
        size: 10,
      });
    }
    await expect
      .poll(() => tally.sum(at('vethb', a.ipv6, b.ipv6, 9102)), { timeout: 3000 })
      .toEqual({
        packets: 60,
        bytes: 60 * 72,
      });
    const after = accounted(await new AgentClient(agent.socket).status());
    expect(less(after, before).packets).toBeGreaterThanOrEqual(120);
  });

  it('counts a GSO packet as the packets on the wire', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const sink = await serve(b.namespace, 'stream-sink', { source: b.ipv4, port: 5001 });
    const sent = await stream(a.namespace, { destination: b.ipv4, port: 5001, bytes: 200_000_000 });
    await sink.stop();
    const match = at('vetha', a.ipv4, b.ipv4, 5001);
    // Ethernet, IP and TCP with timestamps take 66 bytes of each segment; the SYN has eight more of options.
    await expect.poll(() => tally.sum(match).packets, { timeout: 5000 }).toBe(sent.segmentsOut);
    expect(tally.sum(match).bytes).toBe(sent.bytesOut + 66 * sent.segmentsOut + 8);
    const udp = await datagrams(a.namespace, { source: a.ipv4, destination: b.ipv4, port: 9103, packets: 4000, size: 14_000, segment: 1400, rate: 100_000 }); // prettier-ignore
    await expect
      .poll(() => tally.sum(at('vetha', a.ipv4, b.ipv4, 9103)), { timeout: 5000 })
      .toEqual({ packets: udp.packets, bytes: udp.bytes });
  });

  it('tells starts, ends and resets of connections within 100 ms, and who began', async () => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const server = await serve(b.namespace, 'accept', { source: b.ipv6, port: 5002 });
    const began = Date.now();
    await connect(a.namespace, { destination: b.ipv6, port: 5002, packets: 1, size: 100, reset: true });
    const match = at('vetha', a.ipv6, b.ipv6, 5002);
    const seen = (event: string) => tally.select(match).some((flow) => flow.event === event);
    await expect.poll(() => seen('start') && seen('reset'), { timeout: 2000, interval: 5 }).toBe(true);
    expect(Date.now() - began).toBeLessThan(400); // 100 ms, and what starting the client took
    expect(tally.select(match).every((flow) => flow.is_reply === false)).toBe(true);
    const replies = tally.select((flow) => flow.IP.source === b.ipv6 && flow.interface?.name === 'vetha');
    expect(replies.filter((flow) => flow.l4['TCP']).every((flow) => flow.is_reply === true)).toBe(true);
    await server.stop();
  });

  it('accounts for every shape of packet, and for what is no packet of a flow', async () => {
    const client = new AgentClient(agent.socket);
    await sleep(1500);
    const [before, counted] = [await passed(net, taps), accounted(await client.status())];
    const frames = Object.values(shapes());
    await sendFrames(net.pod('a').namespace, frames, { device: 'eth0', packets: 20 * frames.length });
    const grown = async () => less(accounted(await client.status()), counted);
    await expect
      .poll(async () => (await grown()).packets, { timeout: 5000 })
      .toBeGreaterThanOrEqual(20 * frames.length);
    await sleep(1500);
    const want = less(await passed(net, taps), before);
    // The bridge passes tagged frames on with the outer tag beside the packet: on a wire it is there, in a veth's counter not.
    const tagged = 20 * frames.filter(({ layers }) => layers.some(({ kind }) => kind === 'tag')).length;
    expect(await grown()).toEqual({ packets: want.packets, bytes: want.bytes + 4 * tagged });
  });
});
