import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, datagrams, flood, NodeWorld, PluginHost, serve, World } from '@retina/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const PACKETPARSER = new URL('../../packetparser/src/index.ts', import.meta.url);
const LIMIT = '/proc/sys/net/netfilter/nf_conntrack_max';
const name = (key: string) => `networkobservability_conntrack_${key}`;
const asRoot = process.getuid?.() === 0 || process.env['CI'] === 'true';

/** A service of each family, whose backend is outside; and what leaves from pods gets the node's address and any port. */
const SERVICES = `table ip svc {
 chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 tcp dport 80 dnat to 192.168.77.1:8080; }
 chain post { type nat hook postrouting priority 100; ip saddr 10.244.0.0/16 oifname "eth0" masquerade fully-random; }
}
table ip6 svc {
 chain pre { type nat hook prerouting priority -100; ip6 daddr fd00:96::1 tcp dport 80 dnat to [fd00:77::1]:8080; }
}
`;
/** Both sources leave from one address and port: the second connection to one place finds the answers' way taken. */
const CLASH = `table ip nat {
 chain post { type nat hook postrouting priority 100; udp dport 5555 snat to 192.168.77.2:6000; }
}
`;
/** Tracks everything that comes in. */
const TRACK = `table inet track {
 chain in { type filter hook input priority 0; ct state new accept; }
}
`;

/** Entries of the table, and sums over CPUs, as /proc shows them in a namespace: what the figures must be. */
async function kernelSays(space: NodeWorld['node']): Promise<Record<string, number>> {
  const { stdout } = await space.exec('cat', ['/proc/net/stat/nf_conntrack']);
  const [head, ...rows] = stdout.trim().split('\n').map((line) => line.trim().split(/\s+/)); // prettier-ignore
  return Object.fromEntries(
    head!.map((column, i) => {
      const cells = rows.map((row) => parseInt(row[i]!, 16));
      return [column, column === 'entries' ? cells[0]! : cells.reduce((sum, cell) => sum + cell, 0)];
    }),
  );
}

describe.runIf(asRoot)('conntrack', () => {
  let world: World;
  let net: NodeWorld;

  beforeEach(async () => {
    world = await World.create('conntrack');
    net = await NodeWorld.create(world, ['a']);
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}, more: (readonly [URL])[] = []) =>
    PluginHost.start({
      in: net.node,
      config: { enablePodLevel: true, remoteContext: true },
      plugins: [[PLUGIN, { intervalMs: 200, ...options }], ...more],
    });

  it.each([
    ['ipv4', '10.96.0.1', '192.168.77.1'],
    ['ipv6', 'fd00:96::1', 'fd00:77::1'],
  ] as const)('names the backend of a service’s connections over %s, and the pod behind the node', async (ip, service, backend) => {
    await net.node.nft(SERVICES);
    const pod = net.pod('a');
    const server = await serve(net.outside, 'accept', { source: backend, port: 8080 });
    await using host = await start({}, [[PACKETPARSER]]);
    const before = await pod.namespace.counters('eth0');
    const made = await connect(pod.namespace, { destination: service, port: 80, packets: 20, size: 100 });
    expect(made.connections).toBe(20);
    await sleep(1500);
    const packets = (await pod.namespace.counters('eth0')).txPackets - before.txPackets;
    const metrics = await host.metrics();
    expect(metrics.one(name('translation_events_total'), { event: 'begun' })).toBe(20);
    expect(metrics.one(name('translations'))).toBe(20);
    expect(metrics.sum(name('translation_events_lost_total'))).toBe(0);

    const flows = (await host.flows()).filter(({ l4 }) => 'TCP' in l4);
    const asked = flows.filter(({ IP }) => IP.destination === service && IP.source === pod[ip]);
    expect(asked.length).toBeGreaterThanOrEqual(20);
    for (const flow of asked) {
      expect(flow.translated_to?.destination).toMatchObject({ address: backend, port: 8080 });
      if (ip === 'ipv4') expect(flow.translated_to?.source?.address).toBe(net.address.ipv4);
    }
    const answered = flows.filter(({ IP }) => IP.source === service);
    for (const flow of answered) expect(flow.translated_to?.source).toMatchObject({ address: backend, port: 8080 });

    // at the uplink the same connections, as they go on
    const uplink = flows.filter(({ IP }) => IP.destination === backend);
    expect(uplink.length).toBeGreaterThanOrEqual(20);
    for (const flow of uplink) {
      expect(flow.translated_from?.destination).toMatchObject({ address: service, port: 80 });
      // other ports than the pod’s: only the kernel’s own table tells whose they are
      expect(flow.source).toMatchObject({ kind: 'pod' });
    }
    // each packet once, by the pod that sent it, none by the node; and the service's address is not nobody's
    const label = { direction: 'EGRESS', destination_podname: net.outside.name };
    expect(metrics.by('source_ip', 'networkobservability_adv_forward_count', label)).toEqual({
      [pod[ip]]: packets,
    });
    expect(metrics.sum('networkobservability_adv_forward_count', { direction: 'EGRESS' })).toBe(packets);
    await server.stop();
  }); // prettier-ignore

  it('counts connections by state, and what is translated of them', async () => {
    await net.node.nft(SERVICES);
    const pod = net.pod('a');
    const server = await serve(net.outside, 'accept', { source: '192.168.77.1', port: 8080 });
    await connect(pod.namespace, { destination: '10.96.0.1', port: 80, packets: 7, size: 100 });
    await datagrams(pod.namespace, { source: pod.ipv4, destination: '192.168.77.1', port: 9, packets: 5, flows: 5, rate: 1000 });
    await using host = await start({ statesEverySeconds: 1 });
    await sleep(1600);
    const metrics = await host.metrics();
    const of = (protocol: string) => metrics.by('state', name('state_entries'), { family: 'ipv4', protocol });
    expect(of('TCP')).toEqual({ TIME_WAIT: 7 });
    expect(of('UDP')).toEqual({ UNREPLIED: 5 });
    expect(metrics.by('translation', name('translated_entries'))).toEqual({ none: 0, source: 5, destination: 0, both: 7 });
    expect(metrics.one(name('entries'))).toBe(12);
    // all were there before the plugin was
    expect(metrics.one(name('translations'))).toBe(12);
    expect(metrics.one(name('timeout_seconds'), { protocol: 'tcp', state: 'ESTABLISHED' })).toBe(432_000);
    await server.stop();
  }); // prettier-ignore

  it('counts insertions that fail, as many as the kernel', async () => {
    await net.node.nft(CLASH);
    await using host = await start();
    // bash goes on when the kernel refuses a send
    await net.node.exec('bash', ['-c', 'for i in {1..30}; do echo > /dev/udp/192.168.77.1/5555; done 2>&-; true']);
    await sleep(500);
    const kernel = await kernelSays(net.node);
    expect(kernel['insert_failed']).toBe(29);
    const metrics = await host.metrics();
    expect(metrics.one(name('insert_failed_total'))).toBe(29);
    expect(metrics.one(name('drop_total'))).toBe(kernel['drop']);
  });

  it('shows a full table, and counts what it refuses, as many as the kernel', async () => {
    // The limit is the kernel's, the count a namespace's: it stays above what others on this kernel have.
    const before = readFileSync(LIMIT, 'latin1').trim();
    const limit = 12_000;
    try {
      await net.node.nft(TRACK);
      await using host = await start({ translations: false });
      writeFileSync(LIMIT, String(limit));
      await flood(net.outside, {
        device: 'eth0', source: net.outsideAddress.ipv4, destination: net.address.ipv4,
        sourceMac: await net.outside.mac('eth0'), destinationMac: await net.node.mac('eth0'),
        packets: 20_000, flows: 20_000, rate: 20_000, port: 9,
      }); // prettier-ignore
      await sleep(600);
      const kernel = await kernelSays(net.node);
      const metrics = await host.metrics();
      expect(metrics.one(name('entries_limit'))).toBe(limit);
      expect(metrics.one(name('fill_ratio'))).toBeCloseTo(kernel['entries']! / limit, 1);
      expect(metrics.one(name('fill_ratio'))).toBeGreaterThan(0.9);
      expect(kernel['drop']).toBeGreaterThan(1000);
      expect(metrics.one(name('drop_total'))).toBe(kernel['drop']);
      expect(metrics.one(name('early_drop_total'))).toBe(kernel['early_drop']);
      expect(host.running.stderr).toContain('nearly full');
    } finally {
      writeFileSync(LIMIT, before);
    }
  });
});
