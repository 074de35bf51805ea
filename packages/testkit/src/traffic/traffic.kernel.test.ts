import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shapes } from '../packets/index.ts';
import { NodeWorld, World } from '../world/index.ts';
import { connect, flood, type FrameRoute, sendFrames, serve, stream, datagrams } from './index.ts';

const root = process.getuid?.() === 0;

describe.runIf(root || process.env['CI'] === 'true')('traffic', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('traffictest');
    net = await NodeWorld.create(world, ['a', 'b']);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const route = (family: 'ipv4' | 'ipv6'): FrameRoute => ({
    device: 'eth0',
    source: net.pod('a')[family],
    destination: net.pod('b')[family],
    sourceMac: net.pod('a').mac,
    destinationMac: net.pod('b').mac,
  });

  it.each(['ipv4', 'ipv6'] as const)('floods exactly, with right checksums, over %s', async (family) => {
    const { a, b } = { a: net.pod('a'), b: net.pod('b') };
    const sink = await serve(b.namespace, 'udp-sink', { source: b[family], port: 9000 });
    const sent = await flood(a.namespace, { ...route(family), packets: 5000, rate: 100_000, flows: 700, size: 33 });
    expect(sent.packets).toBe(5000);
    expect(sent.bytes).toBe(5000 * ((family === 'ipv4' ? 42 : 62) + 33));
    expect(sent.device).toMatchObject({ txPackets: sent.packets, txBytes: sent.bytes });
    // The receiving stack verifies checksums before a socket sees a datagram.
    await expect.poll(async () => (await b.namespace.counters('eth0')).rxPackets).toBeGreaterThanOrEqual(5000);
    expect(await sink.stop()).toMatchObject({ packets: 5000, payload: 5000 * 33 });
  });

  it('replays frames as they are', async () => {
    const frames = Object.values(shapes());
    const sent = await sendFrames(net.pod('a').namespace, frames, { device: 'eth0' });
    expect(sent.packets).toBe(frames.length);
    expect(sent.bytes).toBe(frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
    expect(sent.device).toMatchObject({ txPackets: sent.packets, txBytes: sent.bytes });
  });

  it('counts GSO datagrams as the packets on the wire', async () => {
    const { a, b } = { a: net.pod('a'), b: net.pod('b') };
    const sink = await serve(b.namespace, 'udp-sink', { source: b.ipv4, port: 9001 });
    const sent = await datagrams(a.namespace, { source: a.ipv4, destination: b.ipv4, port: 9001, packets: 400, size: 4000, segment: 1000, rate: 50_000 }); // prettier-ignore
    expect(sent).toMatchObject({ packets: 400, payload: 400_000, bytes: 400_000 + 400 * 42 });
    expect(await sink.stop()).toMatchObject({ packets: 400, payload: 400_000 });
  });

  it('streams bulk data and knows its segments', async () => {
    const { a, b } = { a: net.pod('a'), b: net.pod('b') };
    const sink = await serve(b.namespace, 'stream-sink', { source: b.ipv6, port: 9002 });
    const sent = await stream(a.namespace, { destination: b.ipv6, port: 9002, bytes: 20_000_000 });
    const taken = await sink.stop();
    expect(sent.payload).toBe(20_000_000);
    expect(taken.payload).toBe(20_000_000);
    expect(sent.segmentsOut).toBeGreaterThanOrEqual(20_000_000 / 1440);
  });

  it('makes connections, ended by FIN or RST, and counts refused ones', async () => {
    const { a, b } = { a: net.pod('a'), b: net.pod('b') };
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 9003 });
    const to = { destination: b.ipv4, port: 9003 };
    expect(await connect(a.namespace, { ...to, packets: 200, connections: 10, size: 32 })).toMatchObject({
      connections: 200,
      failed: 0,
    });
    expect(await connect(a.namespace, { ...to, packets: 200, size: 0, reset: true })).toMatchObject({
      connections: 200,
      failed: 0,
    });
    expect(await connect(a.namespace, { ...to, port: 9, packets: 5 })).toMatchObject({ connections: 0, refused: 5 });
    expect(await server.stop()).toMatchObject({ connections: 400, payload: 200 * 32 });
  });
});
