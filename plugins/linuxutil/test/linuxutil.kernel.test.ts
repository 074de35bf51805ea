import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess, datagrams, type MetricText, type Namespace, PluginHost, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const AGENT = new URL('../../../packages/agent/src/main.ts', import.meta.url);
const metric = (name: string) => `networkobservability_${name}`;
const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

/** Connects to itself so many times and holds both ends; ends the given number of connections for each line it is sent. */
const HOLDER = `
const net = require('node:net');
const [address, count] = process.argv.slice(1);
const held = [];
const server = net.createServer((socket) => socket.on('end', () => socket.end()));
server.listen({ host: address, port: 5000, backlog: 4096 }, async () => {
  const open = () => new Promise((resolve) => {
    const socket = net.connect({ host: address, port: 5000 }, () => { held.push(socket); resolve(); });
    socket.resume();
  });
  while (held.length < Number(count)) await Promise.all(Array.from({ length: 50 }, open));
  console.log('holds');
});
require('node:readline').createInterface(process.stdin).on('line', (line) => {
  for (const socket of held.splice(0, Number(line))) socket.end();
});`;

const NAMES: Readonly<Record<string, string>> = {
  ESTAB: 'ESTABLISHED', 'SYN-SENT': 'SYN_SENT', 'SYN-RECV': 'SYN_RECV', 'FIN-WAIT-1': 'FIN_WAIT1', 'FIN-WAIT-2': 'FIN_WAIT2',
  'TIME-WAIT': 'TIME_WAIT', 'CLOSE-WAIT': 'CLOSE_WAIT', 'LAST-ACK': 'LAST_ACK', LISTEN: 'LISTEN', CLOSING: 'CLOSING',
}; // prettier-ignore

/** TCP sockets by state as ss counts them, every state there. */
async function ss(space: Namespace, family: '-4' | '-6' | ''): Promise<Record<string, number>> {
  const { stdout } = await space.exec('ss', ['-tanH', ...(family ? [family] : [])]);
  const found = Object.fromEntries(Object.values(NAMES).map((name) => [name, 0]));
  for (const line of stdout.split('\n').filter(Boolean)) found[NAMES[line.split(/\s+/)[0]!]!]!++;
  return found;
}

/** Sections of a table of the namespace: \`TcpExt.ListenDrops\` and so on. */
async function table(space: Namespace, name: string): Promise<Record<string, number>> {
  const { stdout } = await space.exec('cat', [`/proc/net/${name}`]);
  const lines = stdout.trim().split('\n');
  const values: Record<string, number> = {};
  for (let i = 0; i < lines.length; i += 2) {
    const [names, numbers] = [lines[i]!.split(' '), lines[i + 1]!.split(' ')];
    names.forEach((key, j) => (values[names[0]!.replace(':', '.') + key] = Number(numbers[j])));
  }
  return values;
}

kernel('linuxutil', () => {
  let world: World;
  let space: Namespace;
  let far: Namespace;

  beforeAll(async () => {
    world = await World.create('linuxutil');
    [space, far] = [await world.namespace('node'), await world.namespace('far')];
    await world.link(
      { in: space, name: 'eth0', addresses: ['10.9.1.1/24', 'fd09::1/64'] },
      { in: far, name: 'eth0', addresses: ['10.9.1.2/24', 'fd09::2/64'] },
    );
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}) =>
    PluginHost.start({ in: space, plugins: [[PLUGIN, { intervalMs: 200, ...options }]] });
  const until = (host: PluginHost, check: (metrics: MetricText) => void | Promise<void>) =>
    vi.waitFor(async () => check(await host.metrics()), { timeout: 20_000, interval: 100 });

  it('counts 20 000 sockets by state, family and remote address as ss does, down to zero', async () => {
    await using four = space.spawn(process.execPath, ['-e', HOLDER, '10.9.1.1', '5000']);
    await using six = space.spawn(process.execPath, ['-e', HOLDER, 'fd09::1', '5000']);
    await Promise.all([four.output(/holds/, 60_000), six.output(/holds/, 60_000)]);
    await using host = await start({ remotes: 1 });
    const agrees = async (metrics: MetricText) => {
      expect(metrics.by('state', metric('tcp_state'))).toEqual(await ss(space, ''));
      expect(metrics.by('state', metric('tcp_sockets'), { family: 'ipv4' })).toEqual(await ss(space, '-4'));
      expect(metrics.by('state', metric('tcp_sockets'), { family: 'ipv6' })).toEqual(await ss(space, '-6'));
    };
    await until(host, async (metrics) => {
      expect(metrics.one(metric('tcp_state'), { state: 'ESTABLISHED' })).toBe(20_000);
      expect(metrics.one(metric('tcp_state'), { state: 'LISTEN' })).toBe(2);
      expect(metrics.one(metric('tcp_connection_remote'), { address: 'AllIPs' })).toBe(20_000);
      expect(metrics.one(metric('tcp_connection_remote'), { address: '10.9.1.1' })).toBe(10_000);
      expect(metrics.one(metric('tcp_connection_remote'), { address: 'other' })).toBe(10_000);
      await agrees(metrics);
    });
    four.process.stdin!.write('2000\n');
    await until(host, async (metrics) => {
      expect(metrics.one(metric('tcp_sockets'), { state: 'ESTABLISHED', family: 'ipv4' })).toBe(6000);
      expect(metrics.one(metric('tcp_sockets'), { state: 'TIME_WAIT', family: 'ipv4' })).toBe(2000);
      await agrees(metrics);
    });
    for (const holder of [four, six]) {
      holder.kill('SIGKILL');
      await holder.ended;
    }
    await until(host, async (metrics) => {
      expect(metrics.one(metric('tcp_state'), { state: 'ESTABLISHED' })).toBe(0);
      expect(metrics.one(metric('tcp_state'), { state: 'LISTEN' })).toBe(0);
      await agrees(metrics);
    });
    expect((await host.metrics()).sum(metric('linuxutil_read_errors_total'))).toBe(0);
  }, 120_000);

  it('counts UDP sockets of both families, and none of them when they are gone', async () => {
    await using host = await start();
    const binds = ['udp4', 'udp6'].map((type) => `require('node:dgram').createSocket('${type}').bind(0)`).join(';');
    await using holder = space.spawn(process.execPath, ['-e', `${binds}; console.log('holds')`]);
    await holder.output(/holds/);
    const active = { statistic_name: 'ACTIVE' };
    await until(host, (metrics) => expect(metrics.one(metric('udp_connection_stats'), active)).toBe(2));
    holder.kill('SIGKILL');
    await until(host, (metrics) => expect(metrics.one(metric('udp_connection_stats'), active)).toBe(0));
  });

  it("reports the kernel's counters as they are, those that are zero too", async () => {
    await datagrams(far, { source: '10.9.1.2', destination: '10.9.1.1', port: 9, packets: 300, rate: 3000 });
    await datagrams(far, { source: 'fd09::2', destination: 'fd09::1', port: 9, packets: 200, rate: 3000 });
    await using host = await start();
    await until(host, async (metrics) => {
      const more = (protocol: string, statistic_name: string) =>
        metrics.one(metric('protocol_stats_total'), { protocol, statistic_name });
      expect([more('Udp', 'NoPorts'), more('Udp6', 'NoPorts')]).toEqual([300, 200]);
      const [netstat, snmp] = [await table(space, 'netstat'), await table(space, 'snmp')];
      expect(more('Tcp', 'OutRsts')).toBe(snmp['Tcp.OutRsts']);
      const tcp = metrics.by('statistic_name', metric('tcp_connection_stats'));
      expect(Object.keys(tcp).sort()).toEqual([
        'AddAddrDrop', 'DataCsumErr', 'ListenDrops', 'LockDroppedIcmps', 'PFMemallocDrop', 'RmAddrDrop', 'TCPBacklogDrop',
        'TCPDeferAcceptDrop', 'TCPLossProbes', 'TCPLostRetransmit', 'TCPMinTTLDrop', 'TCPRcvQDrop', 'TCPReqQFullDrop',
        'TCPTimeouts', 'TCPZeroWindowDrop',
      ]); // prettier-ignore
      for (const [name, value] of Object.entries(tcp)) {
        expect(value).toBe(netstat[`TcpExt.${name}`] ?? netstat[`MPTcpExt.${name}`]);
      }
      const ip = metrics.by('statistic_name', metric('ip_connection_stats'));
      expect(ip).toEqual({ InCsumErrors: netstat['IpExt.InCsumErrors'] });
    });
  });

  it('asks the drivers, remembers who keeps nothing, and asks again when an interface is made anew', async () => {
    await space.ip('link add br7 type bridge', 'link add cbr0 type bridge');
    await using host = await start({ perInterface: true });
    const unsupported = metric('linuxutil_unsupported_interfaces');
    await until(host, (metrics) => {
      const names = new Set(metrics.select(metric('interface_stats')).map(({ labels }) => labels['interface_name']));
      expect([...names].sort()).toEqual(['all_interfaces', 'eth0']);
      const statistics = Object.keys(metrics.by('statistic_name', metric('interface_stats')));
      expect(statistics).toContain('rx_queue_0_drops');
      for (const name of statistics) expect(name).toMatch(/err|drop/);
      expect(metrics.one(unsupported)).toBe(1); // lo and cbr0 are left out by their names
    });
    await space.ip('link del br7', 'link add vx7 type vxlan id 7 dstport 4789');
    await world.link({ in: space, name: 'br7' }, { in: far, name: 'peer7' });
    await until(host, (metrics) => {
      expect(metrics.select(metric('interface_stats'), { interface_name: 'br7' }).length).toBeGreaterThan(0);
      expect(metrics.one(unsupported)).toBe(1); // the vxlan
    });
  });

  it('gives no figure rather than an old one when there are too many sockets', async () => {
    await using holder = space.spawn(process.execPath, ['-e', HOLDER, '10.9.1.1', '50']);
    await holder.output(/holds/);
    await using host = await start({ maxSockets: 20 });
    await until(host, (metrics) => {
      expect(
        metrics.one(metric('linuxutil_read_errors_total'), { source: 'tcp_sockets', cause: 'too_many' }),
      ).toBeGreaterThan(0);
      expect(metrics.select(metric('tcp_state'))).toEqual([]);
    });
  });

  it('survives tables that are empty, endless, foreign or not there, and names each', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retina-procnet-'));
    try {
      writeFileSync(join(folder, 'netstat'), '');
      writeFileSync(join(folder, 'snmp'), 'Tcp: RetransSegs OutRsts\nTcp: 12 x\nDear reader,\n');
      writeFileSync(join(folder, 'snmp6'), 'x'.repeat(300_000));
      await using host = await start({ procNet: folder });
      await until(host, (metrics) => {
        const errors = metrics.select(metric('linuxutil_read_errors_total')).map(({ labels }) => labels);
        const causes = errors.map(({ source, cause }) => `${source} ${cause}`).sort();
        expect(causes).toEqual(['netstat empty', 'snmp foreign', 'snmp6 too_long', 'sockstat unreadable']);
        const segments = { protocol: 'Tcp', statistic_name: 'RetransSegs' };
        expect(metrics.one(metric('protocol_stats_total'), segments)).toBe(12);
        expect(metrics.select(metric('udp_connection_stats'))).toEqual([]);
        expect(metrics.one(metric('tcp_state'), { state: 'ESTABLISHED' })).toBe(0); // netlink is another matter
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('goes on after a reload where it was, whatever vanished before', async () => {
    await world.link({ in: space, name: 'eth8' }, { in: far, name: 'peer8' });
    const config = (more: object = {}) => ({
      plugins: {
        [PLUGIN.pathname]: { intervalMs: 200, interfaceStatistics: ['*index*'], includeInterfaces: ['eth*'], ...more },
      },
      exporters: { prometheus: {} },
    });
    await using agent = await AgentProcess.start({ in: space, entry: AGENT, config: config() });
    const ask = (check: (metrics: MetricText) => void) =>
      vi.waitFor(async () => check(await agent.metrics()), { timeout: 20_000, interval: 100 });
    // the only figure of a veth that is never zero: the index of its peer, which stands here for a number of errors
    const sum = { interface_name: 'all_interfaces', statistic_name: 'peer_ifindex' };
    const { stdout } = await space.exec('cat', ['/proc/net/snmp']);
    const datagramsLost = Number(/^Udp: \d+ (\d+) /m.exec(stdout)![1]);
    const index = async (name: string) => far.ifindex(name);
    const both = (await index('eth0')) + (await index('peer8'));
    await ask((metrics) => {
      expect(metrics.one(metric('interface_stats'), sum)).toBe(both);
      expect(metrics.one(metric('protocol_stats_total'), { protocol: 'Udp', statistic_name: 'NoPorts' })).toBe(
        datagramsLost,
      );
    });
    await space.ip('link del eth8');
    agent.configure(config({ perInterface: true }));
    agent.running.kill('SIGHUP');
    await ask((metrics) => {
      expect(metrics.one(metric('interface_stats'), { ...sum, interface_name: 'eth0' })).toBeGreaterThan(0);
      expect(metrics.one(metric('interface_stats'), sum)).toBe(both);
      expect(metrics.one(metric('protocol_stats_total'), { protocol: 'Udp', statistic_name: 'NoPorts' })).toBe(
        datagramsLost,
      );
    });
  });
});
