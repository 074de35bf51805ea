import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connect, datagrams, flood, type MetricText, NodeWorld, PluginHost, serve, stream, World,
} from '@retina/testkit'; // prettier-ignore

type Flows = Awaited<ReturnType<PluginHost['flows']>>;

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const COUNT = 'networkobservability_drop_count';
const BYTES = 'networkobservability_drop_bytes';
const UNATTRIBUTED = 'networkobservability_drop_unattributed_packets_total';
const LOST = 'controlplane_networkobservability_lost_events_counter';
const ETHERNET = 14;
const RULES = `table inet drops {
 chain forward { type filter hook forward priority 0; udp dport 7000 drop; }
 chain output { type filter hook output priority 0; udp dport 7001 drop; }
 chain postrouting { type filter hook postrouting priority 0; udp dport 7002 drop; }
}
`;

/** Reads from a small buffer until nothing comes any more. */
const READER = `
const socket = require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: 20000 });
let received = 0;
let end;
socket.on('message', () => {
  received++;
  clearTimeout(end);
  end = setTimeout(() => console.log('received ' + received), 300);
});
socket.bind(5000, process.argv[1], () => console.log('listening'));`;

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

/** What the counters say once they have been read after everything was sent. */
async function settled(host: PluginHost): Promise<MetricText> {
  await sleep(1300);
  return host.metrics();
}

function sum(flows: Flows, reason: string, key: 'packets' | 'bytes' = 'packets'): number {
  return flows.reduce((total, flow) => total + (flow.drop_reason_desc === reason ? flow[key] : 0), 0);
}

kernel('dropreason', () => {
  let world: World;
  let net: NodeWorld;
  let host: PluginHost;

  beforeAll(async () => {
    world = await World.create('dropreason');
    net = await NodeWorld.create(world, ['web']);
    await net.node.nft(RULES);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = async (options: Record<string, unknown> = {}, typed = true) =>
    PluginHost.start({
      typed,
      in: net.node,
      // other tests on this machine drop packets as well
      plugins: [[PLUGIN, { netns: 'own', ...options }]],
      config: { enablePodLevel: true, remoteContext: true },
    });

  it.each(['ipv4', 'ipv6'] as const)(
    'counts what a firewall rule drops, by direction and flow, over %s',
    async (ip) => {
      host = await start();
      await using _ = host;
      const pod = net.pod('web');
      const outside = net.outsideAddress[ip];
      const forwarded = await datagrams(net.outside, {
        source: outside,
        destination: pod[ip],
        port: 7000,
        packets: 500,
        flows: 5,
      });
      const gso = await datagrams(net.outside, { source: outside, destination: pod[ip], port: 7000, packets: 40, size: 8000, segment: 800 }); // prettier-ignore
      const leaving = await datagrams(net.outside, { source: outside, destination: pod[ip], port: 7002, packets: 30 });
      // bash goes on when the firewall refuses a send
      await net.node.exec('bash', ['-c', `for i in {1..70}; do echo > /dev/udp/${outside}/7001; done 2>&-; true`]);
      expect(gso.packets).toBe(40);

      const metrics = await settled(host);
      const rule = { reason: 'IPTABLE_RULE_DROP' };
      expect(metrics.one(COUNT, { ...rule, direction: 'ingress' })).toBe(540);
      const bytes = forwarded.bytes + gso.bytes - 540 * ETHERNET;
      expect(metrics.one(BYTES, { ...rule, direction: 'ingress' })).toBe(bytes);
      expect(metrics.one(COUNT, { ...rule, direction: 'egress' })).toBe(70 + leaving.packets);

      const flows = await host.flows();
      expect(sum(flows, 'IPTABLE_RULE_DROP')).toBe(640);
      const first = flows.find((flow) => flow.l4['UDP']?.['destination_port'] === 7000)!;
      expect(first).toMatchObject({
        verdict: 'DROPPED',
        IP: { source: outside, destination: pod[ip] },
        traffic_direction: 'INGRESS',
        netns: net.node.inode,
        interface: { index: await net.node.ifindex('eth0') },
        drop_location: expect.stringMatching(/nft_do_chain|nf_hook_slow/) as unknown,
      });
      expect(new Set(flows.map((flow) => flow.l4['UDP']?.['source_port'])).size).toBeGreaterThanOrEqual(5);
      expect(metrics.sum('networkobservability_adv_drop_count', rule)).toBe(640);
    },
  );

  it('counts the same by raw tracepoints, where the kernel refuses its types', async () => {
    host = await start({}, false);
    await using _ = host;
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const route = { source: net.outsideAddress[ip], destination: net.pod('web')[ip] };
      await datagrams(net.outside, { ...route, port: 7000, packets: 120, flows: 3 });
      await datagrams(net.outside, { ...route, port: 7002, packets: 30 });
      await connect(net.node, { destination: net.outsideAddress[ip], port: 9, packets: 5 });
    }
    const metrics = await settled(host);
    const by = (reason: string) => metrics.by('direction', COUNT, { reason });
    expect(by('IPTABLE_RULE_DROP')).toEqual({ ingress: 240, egress: 60 });
    expect(by('TCP_CONNECT_BASIC')).toEqual({ egress: 10 });
    expect(sum(await host.flows(), 'IPTABLE_RULE_DROP')).toBe(300);
  });

  it('counts datagrams without a socket, and those that find its buffer full', async () => {
    host = await start();
    await using _ = host;
    const { ipv4, ipv6 } = net.address;
    const closed = { port: 9, packets: 300, rate: 3000 };
    await datagrams(net.outside, { source: net.outsideAddress.ipv4, destination: ipv4, ...closed });
    await datagrams(net.outside, { source: net.outsideAddress.ipv6, destination: ipv6, ...closed });

    await using reader = net.node.spawn(process.execPath, ['-e', READER, ipv4]);
    await reader.output(/listening/);
    reader.kill('SIGSTOP');
    await datagrams(net.outside, { source: net.outsideAddress.ipv4, destination: ipv4, port: 5000, packets: 500, size: 1000 }); // prettier-ignore
    reader.kill('SIGCONT');
    const received = Number((await reader.output(/received (\d+)/))[1]);

    const metrics = await settled(host);
    expect(metrics.one(COUNT, { reason: 'NO_SOCKET', direction: 'ingress' })).toBe(600);
    expect(received).toBeGreaterThan(0);
    expect(metrics.one(COUNT, { reason: 'SOCKET_RCVBUFF', direction: 'ingress' })).toBe(500 - received);
  });

  it('counts connects that fail, once each, with both ends', async () => {
    host = await start();
    await using _ = host;
    // One port nobody listens on, and one behind a rule that answers by ICMP, at once, while connect() still runs.
    await net.outside.nft(
      'table inet refuse {\nchain in { type filter hook input priority 0; tcp dport 10 reject; }\n}\n',
    );
    await net.outside.sysctl({ 'net.ipv4.icmp_ratelimit': 0 });
    for (const [ip, port] of [
      ['ipv4', 9],
      ['ipv4', 10],
      ['ipv6', 9],
    ] as const) {
      // prettier-ignore
      const made = await connect(net.node, { destination: net.outsideAddress[ip], port, packets: 10 });
      expect(made.refused).toBe(10);
    }
    const metrics = await settled(host);
    expect(metrics.one(COUNT, { reason: 'TCP_CONNECT_BASIC', direction: 'egress' })).toBe(30);
    // the SYNs were dropped in the other namespace, and the resets were heeded
    expect(metrics.sum(COUNT, {})).toBe(30);
    const flows = await host.flows();
    expect(sum(flows, 'TCP_CONNECT_BASIC')).toBe(30);
    const six = flows.find(({ IP }) => IP.ipVersion === 'IPv6')!;
    expect(six.IP).toMatchObject({ source: net.address.ipv6, destination: net.outsideAddress.ipv6 });
    expect(six.l4['TCP']).toMatchObject({ destination_port: 9 });
    expect(six.l4['TCP']!['source_port']).toBeGreaterThan(0);
  });

  it('counts nothing where nothing is lost', async () => {
    host = await start();
    await using _ = host;
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const source = net.address[ip];
      const accept = await serve(net.node, 'accept', { source, port: 80 });
      await connect(net.outside, { destination: source, port: 80, packets: 200, size: 3000 });
      await connect(net.outside, { destination: source, port: 80, packets: 20, size: 100, reset: true });
      await accept.stop();
      const far = await serve(net.outside, 'accept', { source: net.outsideAddress[ip], port: 80 });
      await connect(net.node, { destination: net.outsideAddress[ip], port: 80, packets: 200, size: 3000 });
      await far.stop();
      const sink = await serve(net.node, 'stream-sink', { source, port: 81 });
      await stream(net.outside, { destination: source, port: 81, bytes: 20_000_000 });
      await sink.stop();
      const udp = await serve(net.node, 'udp-sink', { source, port: 82 });
      await datagrams(net.outside, { source: net.outsideAddress[ip], destination: source, port: 82, packets: 200, rate: 2000, size: 4000 }); // prettier-ignore
      await sleep(100);
      await udp.stop();
    }
    const metrics = await settled(host);
    expect(metrics.by('reason', COUNT)).toEqual({});
    expect(await host.flows()).toEqual([]);
  });

  it('counts what is no loss when asked to', async () => {
    host = await start({ countNoLoss: true });
    await using _ = host;
    const accept = await serve(net.outside, 'accept', { source: net.outsideAddress.ipv4, port: 80 });
    await connect(net.node, { destination: net.outsideAddress.ipv4, port: 80, packets: 50, size: 100 });
    await accept.stop();
    const metrics = await settled(host);
    // the peer's FIN waits in a queue that goes with its socket, or is answered in TIME_WAIT
    expect(metrics.sum(COUNT, { reason: /^(QUEUE_PURGE|NOT_SPECIFIED)$/ })).toBe(50);
  });

  it('keeps totals exact when there are more flows than room, at full speed', async () => {
    host = await start({ maxFlows: 256 });
    await using _ = host;
    const sent = await flood(net.outside, {
      device: 'eth0',
      source: net.outsideAddress.ipv4,
      destination: net.address.ipv4,
      sourceMac: await net.outside.mac('eth0'),
      destinationMac: await net.node.mac('eth0'),
      packets: 300_000,
      flows: 50_000,
      port: 9,
    });
    const metrics = await settled(host);
    const flows = await host.flows();
    const total = metrics.one(COUNT, { reason: 'NO_SOCKET', direction: 'ingress' });
    const full = metrics.one(UNATTRIBUTED, { cause: 'flow_table_full' });
    const missed = metrics.one(UNATTRIBUTED, { cause: 'nested' });
    const behind = metrics.sum(COUNT, { reason: 'CPU_BACKLOG' });
    expect(total + behind + missed).toBe(sent.packets);
    expect(sum(flows, 'NO_SOCKET') + sum(flows, 'CPU_BACKLOG') + full).toBe(total + behind);
    expect(full).toBeGreaterThan(0);
    // told once, whatever the pace at which the table was drained meanwhile
    expect(metrics.one(LOST, { type: 'kernel', reason: 'dropreason' })).toBe(full);
  });
});
