import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect, datagrams, ethernet, ipv6, NodeWorld, packet, payload, PluginHost, sendFrames, tcp, World,
} from '@retina/testkit'; // prettier-ignore
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const RULES = `table inet drops {
 chain in { type filter hook input priority 0; udp dport 7000-7003 drop; tcp dport 7004 drop; icmpv6 type echo-request drop; }
}
`;
const asRoot = process.getuid?.() === 0 || process.env['CI'] === 'true';

/** Addresses, protocol and ports, as one reads them in a hex dump. */
function parse(hex: string): Record<string, unknown> {
  const bytes = Buffer.from(hex, 'hex');
  const six = bytes[0]! >> 4 === 6;
  const at = six ? 40 : (bytes[0]! & 15) * 4;
  const address = (from: number) =>
    six
      ? bytes.toString('hex', from, from + 16)
      : [...bytes.subarray(from, from + 4)].join('.');
  return {
    source: address(six ? 8 : 12),
    destination: address(six ? 24 : 16),
    protocol: bytes[six ? 6 : 9],
    sourcePort: bytes.readUInt16BE(at),
    destinationPort: bytes.readUInt16BE(at + 2),
    length: bytes.length,
  };
} // prettier-ignore

describe.runIf(asRoot)('samples of dropped packets', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('dropsamples');
    net = await NodeWorld.create(world, []);
    await net.node.nft(RULES);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}) =>
    PluginHost.start({ in: net.node, plugins: [[PLUGIN, { netns: 'own', ...options }]] });
  const unsampled = async (host: PluginHost) =>
    (await host.metrics()).one('networkobservability_drop_unsampled_packets_total');
  const samplesOf = async (host: PluginHost) => (await host.flows()).filter(({ packet }) => packet);

  it('are the headers of the packets sent, without their payload', async () => {
    await using host = await start({ samplesPerSecond: 20 });
    const { ipv4 } = net.address;
    const from4 = { source: net.outsideAddress.ipv4, destination: ipv4, sourcePort: 4000 };
    const from6 = { source: net.outsideAddress.ipv6, destination: net.address.ipv6, sourcePort: 4000 };
    await datagrams(net.outside, { ...from4, port: 7000, packets: 1, size: 700 });
    await datagrams(net.outside, { ...from6, port: 7001, packets: 1, size: 700 });
    // twelve bytes of options, and more payload than a sample could hold
    const syn = packet(
      ethernet({ source: await net.outside.mac('eth0'), destination: await net.node.mac('eth0') }),
      ipv6({ source: from6.source, destination: from6.destination }),
      tcp({ source: 4001, destination: 7004, flags: ['SYN'], options: Uint8Array.from({ length: 12 }, () => 1) }),
      payload(300),
    );
    await sendFrames(net.outside, [syn], { device: 'eth0' });
    await sleep(300);
    const samples = (await samplesOf(host)).map((flow) => ({ flow, packet: parse(flow.packet!) }));
    expect(samples).toHaveLength(3);
    const at = (port: number) => samples.find((sample) => sample.packet['destinationPort'] === port)!;
    expect(at(7000).packet).toEqual({
      source: net.outsideAddress.ipv4, destination: ipv4, protocol: 17, sourcePort: 4000, destinationPort: 7000, length: 28,
    }); // prettier-ignore
    expect(at(7000).flow).toMatchObject({
      verdict: 'DROPPED', drop_reason_desc: 'IPTABLE_RULE_DROP', packets: 0, bytes: 0, IP: { source: net.outsideAddress.ipv4 },
    }); // prettier-ignore
    expect(at(7001).packet).toMatchObject({ protocol: 17, sourcePort: 4000, length: 48 });
    expect(at(7001).packet['destination']).toBe('fd000077000000000000000000000002');
    // to the byte what was sent, but for the link layer and the payload
    expect(at(7004).flow.packet).toBe(Buffer.from(syn.bytes.subarray(14, 14 + 40 + 32)).toString('hex'));
  });

  it('are as many as allowed, and it is known how many packets have none', async () => {
    await using host = await start({ samplesPerSecond: 3 });
    await sleep(1100); // a fresh budget
    const route = { source: net.outsideAddress.ipv4, destination: net.address.ipv4 };
    await datagrams(net.outside, { ...route, port: 7002, packets: 5000, flows: 10 });
    await connect(net.outside, { destination: net.address.ipv4, port: 9, packets: 40 });
    await sleep(1500);
    const samples = await samplesOf(host);
    const count = (reason: string) => samples.filter((flow) => flow.drop_reason_desc === reason).length;
    const metrics = await host.metrics();
    const dropped = metrics.sum('networkobservability_drop_count', {});
    expect(dropped).toBe(5040);
    // at most a budget for each second begun; and a flood of one reason leaves the other its own
    expect(count('IPTABLE_RULE_DROP')).toBeGreaterThanOrEqual(3);
    expect(count('IPTABLE_RULE_DROP')).toBeLessThanOrEqual(12);
    expect(count('NO_SOCKET')).toBeGreaterThanOrEqual(3);
    expect(metrics.one('networkobservability_drop_samples_total', { outcome: 'shown' })).toBe(samples.length);
    await expect.poll(() => unsampled(host), { timeout: 5000 }).toBe(dropped - samples.length);
  });

  it('are not taken when nobody wants them', async () => {
    await using host = await start({ samplesPerSecond: 0 });
    await datagrams(net.outside, { source: net.outsideAddress.ipv4, destination: net.address.ipv4, port: 7003, packets: 10 });
    await sleep(1300);
    expect(await samplesOf(host)).toEqual([]);
    await expect.poll(() => unsampled(host), { timeout: 5000 }).toBe(10);
  }); // prettier-ignore
});
