import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type MetricText, NodeWorld, type Pod, PluginHost, serve, World } from '@retina/testkit';
import { connects } from './client.ts';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const POD = 'networkobservability_adv_tcp_';
const NODE = 'networkobservability_tcp_';
const FAMILIES = ['ipv4', 'ipv6'] as const;

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

/** What the counters say once everything was reported. */
async function settled(host: PluginHost): Promise<MetricText> {
  await sleep(1500);
  return host.metrics();
}

kernel('tcphealth', () => {
  let world: World;
  let net: NodeWorld;
  let a: Pod;
  let b: Pod;

  beforeAll(async () => {
    world = await World.create('tcphealth');
    net = await NodeWorld.create(world, ['a', 'b']);
    [a, b] = [net.pod('a'), net.pod('b')];
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}, typed = true) =>
    PluginHost.start({
      typed,
      in: net.node,
      plugins: [[PLUGIN, options]],
      config: { enablePodLevel: true, remoteContext: true },
    });
  const opened = (ip: (typeof FAMILIES)[number]) => ({ direction: 'EGRESS', source_ip: a[ip], destination_ip: b[ip] });
  const accepted = (ip: (typeof FAMILIES)[number]) => ({ ...opened(ip), direction: 'INGRESS' });

  it.each([
    ['ipv4', 'typed'],
    ['ipv6', 'typed'],
    ['ipv6', 'raw'],
  ] as const)('counts and times every connection at both ends, over %s, by %s tracepoints', async (ip, programs) => {
    await using host = await start({ roundTripEveryMs: 0 }, programs === 'typed'); // at the end of each only
    const server = await serve(b.namespace, 'accept', { source: b[ip], port: 80 });
    const made = await connect(a.namespace, {
      destination: b[ip],
      port: 80,
      packets: 500,
      connections: 20,
      size: 2000,
    });
    expect(made).toMatchObject({ connections: 500, failed: 0 });
    await sleep(200);
    await server.stop();

    const metrics = await settled(host);
    const ends = { source_ip: a[ip], destination_ip: b[ip] };
    expect(metrics.one(`${POD}connections_opened_total`, ends)).toBe(500);
    expect(metrics.one(`${POD}connections_accepted_total`, ends)).toBe(500);
    for (const end of [opened(ip), accepted(ip)]) {
      for (const family of ['rtt', 'min_rtt', 'connection_setup', 'connection_duration']) {
        expect([family, metrics.one(`${POD}${family}_seconds_count`, end)]).toEqual([family, 500]);
      }
      const sum = (family: string) => metrics.one(`${POD}${family}_seconds_sum`, end);
      expect(sum('min_rtt')).toBeGreaterThan(0);
      expect(sum('min_rtt')).toBeLessThanOrEqual(sum('rtt'));
      expect(sum('connection_setup')).toBeGreaterThan(0);
      // data went to and fro before the end
      expect(sum('connection_duration')).toBeGreaterThan(sum('min_rtt'));
    }
    expect(metrics.sum(`${POD}connections_failed_total`, ends)).toBe(0);
    expect(metrics.sum(`${POD}connections_reset_total`, ends)).toBe(0);
    expect(metrics.sum(`${NODE}health_unattributed_total`)).toBe(0);
  });

  it.each(FAMILIES)('says why connects fail, as their programs were told, over %s', async (ip) => {
    await using host = await start();
    await b.namespace.nft(`table inet health {
 chain in { type filter hook input priority 0; tcp dport 7001 drop; tcp dport 7002 reject with icmpx type host-unreachable; }
}
`);
    await a.namespace.sysctl({ 'net.ipv4.tcp_syn_retries': 1, 'net.ipv4.ip_local_port_range': '50000 50099' });
    const server = await serve(b.namespace, 'accept', { source: b[ip], port: 7003 });
    const [told] = await Promise.all([
      connects(a.namespace, { host: b[ip], port: 7000, count: 10 }),
      connects(a.namespace, { host: b[ip], port: 7001, count: 4 }),
      connects(a.namespace, { host: b[ip], port: 7001, count: 3, giveUpMs: 1500 }), // the SYN was sent again by then
      connects(a.namespace, { host: b[ip], port: 7001, count: 2, giveUpMs: 200 }),
      connects(a.namespace, { host: b[ip], port: 7002, count: 6 }),
    ]);
    expect(told).toEqual({ ECONNREFUSED: 10 });
    // a hundred ports and no more, as long as they are held
    const ports = await connects(a.namespace, { host: b[ip], port: 7003, count: 112, holdMs: 300 });
    await server.stop();
    await b.namespace.nft('flush ruleset\n');
    await a.namespace.sysctl({ 'net.ipv4.tcp_syn_retries': 6, 'net.ipv4.ip_local_port_range': '32768 60999' });

    const metrics = await settled(host);
    const failed = metrics.by('error', `${POD}connections_failed_total`, { destination_ip: b[ip] });
    expect(failed).toEqual({ ECONNREFUSED: 10, ETIMEDOUT: 4, given_up: 3, EHOSTUNREACH: 6, ...ports });
    expect(ports['EADDRNOTAVAIL']).toBeGreaterThanOrEqual(12);
    expect(metrics.one(`${NODE}connections_cancelled_total`)).toBe(2);
    // a refusal is a reset on the wire, and none of a connection
    expect(metrics.sum(`${POD}connections_reset_total`, { destination_ip: b[ip] })).toBe(0);
  });

  it.each(FAMILIES)('tells who reset a connection, over %s', async (ip) => {
    await using host = await start();
    const server = await serve(b.namespace, 'accept', { source: b[ip], port: 80 });
    await connect(a.namespace, { destination: b[ip], port: 80, packets: 30, size: 100, reset: true });
    await server.stop();
    // what was written to it is unread when it resets
    const sink = b.namespace.spawn(process.execPath, ['-e', `
require('node:net').createServer({ pauseOnConnect: true }, (socket) => setTimeout(() => socket.resetAndDestroy(), 300))
  .listen(81, ${JSON.stringify(b[ip])}, () => console.log('ready'));`]); // prettier-ignore
    await sink.output(/ready/);
    expect(await connects(a.namespace, { host: b[ip], port: 81, count: 7, holdMs: 10_000, bytes: 10 })).toEqual({
      ECONNRESET: 7,
    });
    const metrics = await settled(host);
    const resets = (match: Record<string, string>) =>
      metrics.sum(`${POD}connections_reset_total`, { ...match, destination_ip: b[ip] });
    expect(resets({ direction: 'EGRESS', by: 'local' })).toBe(30);
    expect(resets({ direction: 'INGRESS', by: 'remote' })).toBe(30);
    expect(resets({ direction: 'INGRESS', by: 'local' })).toBe(7);
    expect(resets({ direction: 'EGRESS', by: 'remote' })).toBe(7);
  });

  it('times handshakes that lose a packet, at the end that notices', async () => {
    await using host = await start();
    const once = 'limit rate 1/day burst 1 packets drop';
    await b.namespace.nft(`table inet health {
 chain in { type filter hook input priority 0;
  tcp dport 7001 tcp flags & (syn | ack) == syn ${once}
  tcp dport 7002 tcp flags & (syn | ack | psh | fin) == ack ${once}
 }
}
`);
    for (const port of [7001, 7002]) {
      const server = await serve(b.namespace, 'accept', { source: b.ipv4, port });
      await connects(a.namespace, { host: b.ipv4, port, count: 1, holdMs: 1800 });
      await server.stop();
    }
    await b.namespace.nft('flush ruleset\n');
    const metrics = await settled(host);
    // one of two was slow at either end: by the second after which the kernel sends again
    for (const end of [opened('ipv4'), accepted('ipv4')]) {
      expect(metrics.one(`${POD}connection_setup_seconds_count`, end)).toBe(2);
      expect(metrics.one(`${POD}connection_setup_seconds_sum`, end)).toBeGreaterThan(0.9);
      expect(metrics.one(`${POD}connection_setup_seconds_sum`, end)).toBeLessThan(1.8);
    }
  });

  it('looks at open connections while data flows, not only at their end', async () => {
    await using host = await start({ roundTripEveryMs: 500 });
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
    const running = connects(a.namespace, { host: b.ipv4, port: 80, count: 5, holdMs: 4000, bytes: 100 });
    await sleep(3000);
    const open = await host.metrics();
    await running;
    await server.stop();
    const metrics = await settled(host);
    for (const end of [opened('ipv4'), accepted('ipv4')]) {
      const count = (which: MetricText) => which.one(`${POD}rtt_seconds_count`, end);
      expect(count(open)).toBeGreaterThanOrEqual(5);
      expect(count(metrics)).toBeGreaterThan(count(open));
      // each at most once in each of the nine half seconds that four seconds touch, and at its end
      expect(count(metrics)).toBeLessThanOrEqual(5 * (9 + 1));
    }
    expect(metrics.one(`${POD}connection_duration_seconds_sum`, opened('ipv4'))).toBeGreaterThan(5 * 3.9);
  });

  it('tells by the local end alone what finds no room by both', async () => {
    await net.outside.ip('addr add 10.99.0.0/24 dev lo');
    await using host = await start({ maxPairs: 64 });
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
    const told = await connects(net.outside, { host: b.ipv4, port: 80, count: 150, from: '10.99.0.%' });
    expect(told).toEqual({});
    await server.stop();
    const metrics = await settled(host);
    const end = { direction: 'INGRESS', destination_podname: b.namespace.name };
    expect(metrics.sum(`${POD}connections_accepted_total`, { destination_podname: b.namespace.name })).toBe(150);
    expect(metrics.sum(`${POD}connection_setup_seconds_count`, end)).toBe(150);
    expect(metrics.sum(`${POD}connection_duration_seconds_count`, end)).toBe(150);
    expect(metrics.sum(`${POD}connections_accepted_total`, { ...end, direction: '', source_ip: '::' })).toBeGreaterThan(
      0,
    );
    expect(metrics.one(`${NODE}health_unattributed_total`, { cause: 'remote_end' })).toBeGreaterThan(0);
    expect(metrics.one(`${NODE}health_unattributed_total`, { cause: 'table_full' })).toBe(0);
  });

  it('counts connections it has no room to remember, and says how many have no duration', async () => {
    await using host = await start({ maxConnections: 64 });
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
    await connects(a.namespace, { host: b.ipv4, port: 80, count: 200, holdMs: 500 });
    await sleep(200);
    await server.stop();
    const metrics = await settled(host);
    const ends = { source_ip: a.ipv4, destination_ip: b.ipv4 };
    expect(metrics.sum(`${POD}connections_opened_total`, ends)).toBe(200);
    expect(metrics.sum(`${POD}connections_accepted_total`, ends)).toBe(200);
    expect(metrics.sum(`${POD}connection_setup_seconds_count`, ends)).toBe(400);
    const forgotten = metrics.one(`${NODE}health_unattributed_total`, { cause: 'connection_not_followed' });
    expect(forgotten).toBeGreaterThan(0);
    expect(metrics.sum(`${POD}connection_duration_seconds_count`, ends)).toBe(400 - forgotten);
  });
});
