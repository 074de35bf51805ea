import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { datagrams, flood, NodeWorld, PluginHost, serve, stream, World } from '@retina/testkit';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const COUNT = 'networkobservability_forward_count';
const BYTES = 'networkobservability_forward_bytes';

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

/** Packets and bytes in both directions, from start or since an earlier reading. */
async function totals(host: PluginHost) {
  await sleep(300);
  const metrics = await host.metrics();
  const both = (name: string) => ({
    ingress: metrics.one(name, { direction: 'ingress' }),
    egress: metrics.one(name, { direction: 'egress' }),
  });
  return { packets: both(COUNT), bytes: both(BYTES) };
}

kernel('packetforward', () => {
  let world: World;
  let net: NodeWorld;

  // the node's uplink is a veth, as in kind
  beforeEach(async () => {
    world = await World.create('packetforward');
    net = await NodeWorld.create(world, ['a', 'b']);
    await sleep(100);
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  const start = () => PluginHost.start({ in: net.node, plugins: [[PLUGIN, { intervalMs: 100 }]] });

  it.each(['ipv4', 'ipv6'] as const)('counts every packet once, over %s', async (ip) => {
    await using host = await start();
    const pod = net.pod('a');
    const outside = net.outsideAddress[ip];
    const incoming = await datagrams(net.outside, {
      source: outside,
      destination: pod[ip],
      port: 9,
      packets: 3000,
      flows: 10,
    });
    const segments = await datagrams(net.outside, { source: outside, destination: net.address[ip], port: 9, packets: 40, size: 8000, segment: 800 }); // prettier-ignore
    const between = await datagrams(pod.namespace, {
      source: pod[ip],
      destination: net.pod('b')[ip],
      port: 9,
      packets: 500,
    });
    expect([incoming.packets, segments.packets, between.packets]).toEqual([3000, 40, 500]);
    const { packets, bytes } = await totals(host);
    expect(packets.ingress).toBe(3040);
    expect(bytes.ingress).toBe(incoming.bytes + segments.bytes);
    // nothing listens: what leaves are ICMP errors, a limited number of them
    const { txPackets, txBytes } = await net.node.counters('eth0');
    expect(packets.egress).toBeLessThan(txPackets + 1);
    expect(bytes.egress).toBeLessThan(txBytes + 1);
  });

  it('counts TCP as on the wire, where the device counts what it is handed', async () => {
    await using host = await start();
    const pod = net.pod('a');
    const sink = await serve(net.outside, 'stream-sink', { source: net.outsideAddress.ipv4, port: 80 });
    const before = await net.node.counters('eth0');
    const sent = await stream(pod.namespace, { destination: net.outsideAddress.ipv4, port: 80, bytes: 30_000_000 });
    await sink.stop();
    const after = await net.node.counters('eth0');
    const { packets } = await totals(host);
    expect(packets.egress).toBe(sent.segmentsOut);
    expect(packets.ingress).toBe(sent.segmentsIn);
    expect(after.txPackets - before.txPackets).toBeLessThan(sent.segmentsOut);
  });

  it('adds up two uplinks, and nothing of what is no uplink', async () => {
    await world.link(
      { in: net.node, name: 'eth1', mac: '02:78:00:00:00:02', addresses: ['192.168.78.2/24'] },
      { in: net.outside, name: 'eth1', mac: '02:78:00:00:00:01', addresses: ['192.168.78.1/24'] },
    );
    await net.node.ip('route add default via 192.168.78.1 dev eth1 metric 200');
    await using host = await start();
    expect((await host.taps()).filter(({ role }) => role === 'uplink').map(({ name }) => name)).toEqual([
      'eth0',
      'eth1',
    ]);
    const frames = { packets: 20_000, flows: 100, port: 9 };
    await flood(net.outside, { device: 'eth0', source: '192.168.77.1', destination: '192.168.77.2', ...frames });
    await flood(net.outside, { device: 'eth1', source: '192.168.78.1', destination: '192.168.78.2', ...frames });
    const pod = net.pod('a');
    await flood(pod.namespace, { device: 'eth0', source: pod.ipv4, destination: '10.244.0.1', ...frames });
    const { packets, bytes } = await totals(host);
    expect(packets.ingress).toBe(40_000);
    expect(bytes.ingress).toBe(40_000 * (14 + 20 + 8 + 64));
  });
});
