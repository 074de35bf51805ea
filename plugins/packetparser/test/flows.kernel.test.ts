import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ipv4,
  ipv6,
  packet,
  payload,
  udp,
  datagrams,
  flood,
  NodeWorld,
  PluginHost,
  sendFrames,
  serve,
  shapes,
  stream,
  World,
} from '@retina/testkit';
import { asRoot } from './run.ts';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const PARSED = 'controlplane_networkobservability_parsed_packets_counter';
const UNATTRIBUTED = 'networkobservability_flow_unattributed';

type Flow = Awaited<ReturnType<PluginHost['flows']>>[number];
interface Count {
  readonly packets: number;
  readonly bytes: number;
}

function sum(flows: readonly Flow[], wanted: (flow: Flow) => boolean): Count {
  const chosen = flows.filter(wanted);
  return {
    packets: chosen.reduce((total, flow) => total + flow.packets, 0),
    bytes: chosen.reduce((total, flow) => total + flow.bytes, 0),
  };
}

describe.runIf(asRoot)('packetparser', () => {
  let world: World;
  let net: NodeWorld;

  beforeEach(async () => {
    world = await World.create('packetparser');
    net = await NodeWorld.create(world, ['a', 'b']);
    await sleep(100);
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}, config: Record<string, unknown> = {}) =>
    PluginHost.start({
      in: net.node,
      config: { enablePodLevel: true, ...config },
      plugins: [[PLUGIN, { intervalMs: 100, ...options }]],
    });

  /** Flow records of one interface of the node, since the last call. */
  async function flowsAt(host: PluginHost, device: string): Promise<readonly Flow[]> {
    const index = (await host.taps()).find(({ name }) => name === device)?.ifindex;
    return (await host.flows()).filter((flow) => flow.interface?.index === index);
  }

  /** From pod a to pod b, through both of their taps. */
  const between = (options: { packets: number; flows: number; order?: 'random' }) => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const route = { device: 'eth0', source: a.ipv4, destination: b.ipv4, destinationMac: b.mac };
    return flood(a.namespace, { ...route, port: 9, ...options });
  };
  const fromA = (flow: Flow) => 'UDP' in flow.l4 && flow.IP.source.startsWith('10.244.');

  /** What no table held, once everything has been read. */
  async function unattributed(host: PluginHost, cause: RegExp): Promise<Count> {
    await sleep(2500); // drained, and shown, each once a second
    const metrics = await host.metrics();
    return {
      packets: metrics.sum(`${UNATTRIBUTED}_packets_total`, { cause }),
      bytes: metrics.sum(`${UNATTRIBUTED}_bytes_total`, { cause }),
    };
  }

  it.each([
    ['one flow', 1],
    ['10 000 flows', 10_000],
    ['200 000 flows', 200_000],
  ])('counts %s to the packet and the byte, at each tap once', { timeout: 60_000 }, async (_, flows) => {
    await using host = await start({ maxFlows: 1 << 20 }); // each tap has its own
    const sent = await between({ packets: 200_000, flows });
    expect(await unattributed(host, /kernel_tables|flow_table/)).toEqual({ packets: 0, bytes: 0 });
    const metrics = await host.metrics();
    for (const labels of [
      { podname: /-a$/, direction: 'egress' },
      { podname: /-b$/, direction: 'ingress' },
    ]) {
      expect(metrics.sum('networkobservability_adv_forward_count', labels)).toBe(sent.packets);
      expect(metrics.sum('networkobservability_adv_forward_bytes', labels)).toBe(sent.bytes);
    }
  });

  it('counts in no flow, but counts, what its tables cannot hold', { timeout: 60_000 }, async () => {
    await using host = await start({ ringUnits: 1024, spillFlows: 64, maxFlows: 1024, drainMs: 1000 });
    const sent = await between({ packets: 300_000, flows: 200_000, order: 'random' });
    const lost = await unattributed(host, /./);
    const held = { packets: (await host.metrics()).one(PARSED, {}) };
    expect(lost.packets).toBeGreaterThan(100_000);
    // each packet crosses two taps; answers of pod b come on top of what was sent
    expect(held.packets + lost.packets).toBeGreaterThanOrEqual(2 * sent.packets);
    expect(held.packets + lost.packets).toBeLessThan(2 * sent.packets + 1000);
  });

  it('counts every shape of packet in a flow or as unparsed', async () => {
    await using host = await start();
    // the kernel takes one tag off, so that five are no longer too many
    const frames = Object.entries(shapes()).flatMap(([name, one]) => (name === 'Five VLAN tags' ? [] : [one]));
    await sendFrames(net.outside, frames, { device: 'eth0', packets: frames.length * 3 });
    const lost = await unattributed(host, /not_ip|truncated|malformed|header_chain/);
    const flows = (await flowsAt(host, 'eth0')).filter((flow) => flow.traffic_direction === 'INGRESS');
    const inFlow = frames.filter(({ expected }) => expected.flow);
    const bytes = (packets: typeof frames) => 3 * packets.reduce((total, one) => total + one.bytes.length, 0);
    const known = sum(flows, ({ IP }) => /^(10\.1\.0\.1|fd00:1::1)$/.test(IP.source));
    expect(known).toEqual({ packets: 3 * inFlow.length, bytes: bytes(inFlow) });
    expect(lost.packets).toBeGreaterThanOrEqual(3 * (frames.length - inFlow.length));
    expect(lost.bytes).toBeGreaterThanOrEqual(bytes(frames.filter(({ expected }) => !expected.flow)));
  });

  it('counts TCP as on the wire, with its flags, round-trip time and both directions', async () => {
    await using host = await start();
    const [a, b] = [net.pod('a'), net.pod('b')];
    const sink = await serve(b.namespace, 'stream-sink', { source: b.ipv4, port: 80 });
    const sent = await stream(a.namespace, { destination: b.ipv4, port: 80, bytes: 20_000_000 });
    await sink.stop();
    await sleep(1500);
    const flows = (await flowsAt(host, a.hostInterface)).filter((flow) => 'TCP' in flow.l4);
    const out = flows.filter(({ IP }) => IP.source === a.ipv4);
    const back = flows.filter(({ IP }) => IP.source === b.ipv4);
    expect(sum(out, () => true).packets).toBe(sent.segmentsOut);
    expect(sum(back, () => true).packets).toBe(sent.segmentsIn);
    expect(sum(out, () => true).bytes).toBe(sent.bytesOut + sent.segmentsOut * 66 + 8); // SYN has 8 bytes of options more
    const count = (flag: string, of: Flow[]) => of.reduce((n, flow) => n + (flow.tcp_flag_counts?.[flag] ?? 0), 0);
    expect([count('SYN', out), count('FIN', out), count('SYNACK', back), count('FIN', back)]).toEqual([1, 1, 1, 1]);
    expect(out.every((flow) => flow.is_reply === false)).toBe(true);
    expect(back.every((flow) => flow.is_reply === true)).toBe(true);
    expect(flows.some((flow) => (flow.rtt_us ?? 0) > 0)).toBe(true);
  });

  it('adds the retransmits of this host’s sockets', async () => {
    await using host = await start();
    const [a, b] = [net.pod('a'), net.pod('b')];
    await b.namespace.nft(`table ip lossy {
      chain in { type filter hook input priority 0; tcp dport 80 numgen inc mod 20 == 7 drop; }
    }
`);
    const sink = await serve(b.namespace, 'stream-sink', { source: b.ipv4, port: 80 });
    const sent = await stream(a.namespace, { destination: b.ipv4, port: 80, bytes: 5_000_000 });
    await sink.stop();
    await sleep(2500);
    const flows = (await flowsAt(host, a.hostInterface)).filter(({ l4, IP }) => 'TCP' in l4 && IP.source === a.ipv4);
    expect(sent.retransmits).toBeGreaterThan(0);
    expect(flows.reduce((total, flow) => total + (flow.retransmits ?? 0), 0)).toBe(sent.retransmits);
  });

  it('counts segments of UDP GSO as packets', async () => {
    await using host = await start();
    const pod = net.pod('a');
    const sent = await datagrams(pod.namespace, { source: pod.ipv6, destination: net.pod('b').ipv6, port: 9, packets: 400, size: 8000, segment: 1000 }); // prettier-ignore
    await sleep(500);
    const seen = sum(await flowsAt(host, pod.hostInterface), ({ l4, IP }) => 'UDP' in l4 && IP.source === pod.ipv6);
    expect(seen).toEqual({ packets: sent.packets, bytes: sent.bytes });
  });

  it('reads packets of devices without a link layer, also where they look like Ethernet frames', async () => {
    await net.node.ip('tuntap add mode tun dev t0', 'link set t0 up');
    await using host = await start({}, { taps: { extra: ['t0'] } });
    const bare = ['8.0.69.7', '9.9.9.9'].map((source) =>
      packet(ipv4({ source, destination: '10.9.0.2' }), udp({ source: 1000, destination: 2000 }), payload(20)),
    );
    const six = ['2001:db8:800:4500::7', '2001:db8:86dd:6500::7'].map((source) =>
      packet(ipv6({ source, destination: 'fd09::2' }), udp({ source: 1000, destination: 2000 }), payload(20)),
    );
    const frames = [...bare, ...six];
    await sendFrames(net.node, frames, { device: 't0', packets: 4 * frames.length });
    await sleep(500);
    const flows = (await flowsAt(host, 't0')).filter((flow) => 'UDP' in flow.l4);
    for (const { bytes, layers } of frames) {
      const { source } = layers[0]!.facts!.ip!;
      expect(sum(flows, ({ IP }) => IP.source === source)).toEqual({ packets: 4, bytes: 4 * bytes.length });
    }
  });

  it('counts what a tunnel carries as it is on the wire, by the outer header', async () => {
    const tunnel = (local: string, remote: string, inner: string) => [
      `link add vx0 type vxlan id 7 local ${local} remote ${remote} dstport 4789 dev eth0`,
      `addr add ${inner}/24 dev vx0`,
      'link set vx0 up',
    ];
    await net.node.ip(...tunnel(net.address.ipv4, net.outsideAddress.ipv4, '10.77.0.2'));
    await net.outside.ip(...tunnel(net.outsideAddress.ipv4, net.address.ipv4, '10.77.0.1'));
    await using host = await start();
    const sink = await serve(net.outside, 'stream-sink', { source: '10.77.0.1', port: 80 });
    const sent = await stream(net.node, { destination: '10.77.0.1', port: 80, bytes: 20_000_000 });
    await sink.stop();
    await sleep(500);
    const outer = ({ l4, IP }: Flow) =>
      'UDP' in l4 && IP.source === net.address.ipv4 && l4['UDP']['destination_port'] === 4789;
    const { packets, bytes } = sum(await flowsAt(host, 'eth0'), outer);
    // neighbour discovery and multicast listener reports of the tunnel come on top: a few packets of up to 150 bytes
    expect(packets - sent.segmentsOut).toBeGreaterThanOrEqual(0);
    expect(packets - sent.segmentsOut).toBeLessThan(20);
    const expected = sent.bytesOut + sent.segmentsOut * (50 + 66) + 8;
    expect(bytes - expected).toBeGreaterThanOrEqual(0);
    expect(bytes - expected).toBeLessThan(20 * 150);
  });

  it('scales and marks what it samples', async () => {
    await using host = await start({ dataSamplingRate: 10, enableConntrackMetrics: true });
    await between({ packets: 100_000, flows: 10 });
    await sleep(1500);
    const flows = (await flowsAt(host, net.pod('a').hostInterface)).filter(fromA);
    expect(flows.every((flow) => flow.sampling === 10)).toBe(true);
    const { packets } = sum(flows, () => true);
    expect(packets / 100_000).toBeGreaterThan(0.95);
    expect(packets / 100_000).toBeLessThan(1.05);
    const metrics = await host.metrics();
    expect(metrics.sum('networkobservability_conntrack_packets_tx', {}) / 100_000).toBeCloseTo(1, 1);
    expect(metrics.sum('networkobservability_conntrack_total_connections', {})).toBe(10);
  });
});
