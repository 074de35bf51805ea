import { setTimeout as sleep } from 'node:timers/promises';
import { type MetricText, type Namespace, NodeWorld, PluginHost, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DROPS } from '../src/streams.ts';
import { askDns, names, resolveDns, serveDns } from './world.ts';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');
const NOTHING_DROPPED = Object.fromEntries(DROPS.map((cause) => [cause, 0]));
const own = (name: string) => `networkobservability_${name}`;

kernel('dns', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('dns');
    net = await NodeWorld.create(world, ['client', 'server']);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}, config: Record<string, unknown> = {}) =>
    PluginHost.start({
      in: net.node,
      plugins: [[PLUGIN, { timeoutSeconds: 1, ...options }]],
      config: { enablePodLevel: true, remoteContext: true, ...config },
    });

  /** What is counted once queries can wait no longer. */
  const settled = async (host: PluginHost): Promise<MetricText> => {
    await sleep(2000);
    return host.metrics();
  };

  it.each([
    ['ipv4', 'udp'],
    ['ipv6', 'udp'],
    ['ipv4', 'tcp'],
    ['ipv6', 'tcp'],
  ] as const)('counts every message once between two pods, over %s and %s', async (ip, protocol) => {
    await using host = await start();
    const server = await serveDns(net.pod('server').namespace);
    const asked = [...names('a', 40), ...names('nx', 20), ...names('cut', 10), ...names('drop', 7)];
    const ask = { server: net.pod('server')[ip], protocol, names: asked, pieces: 700 };
    expect(await askDns(net.pod('client').namespace, ask)).toBe(70);
    expect(await server.stop()).toEqual({ queries: 77, responses: 70 });

    const metrics = await settled(host);
    expect(metrics.one(own('dns_request_count'))).toBe(77);
    expect(metrics.one(own('dns_response_count'))).toBe(70);
    expect(metrics.by('return_code', own('dns_return_codes_total'))).toEqual({ NOERROR: 50, NXDOMAIN: 20 });
    expect(metrics.one(own('dns_latency_seconds_count'))).toBe(70);
    expect(metrics.one(own('dns_unanswered_total'))).toBe(7);
    expect(metrics.sum(own('dns_truncated_responses_total'))).toBe(protocol === 'udp' ? 10 : 0);
    expect(metrics.one(own('dns_retries_total'))).toBe(0);
    expect(metrics.one(own('dns_unsolicited_responses_total'))).toBe(0);
    // both pods' interfaces saw everything
    const taps = { protocol };
    expect(metrics.one(own('dns_tap_messages_total'), { ...taps, outcome: 'counted' })).toBe(147);
    expect(metrics.one(own('dns_tap_messages_total'), { ...taps, outcome: 'duplicate' })).toBe(147);
    if (protocol === 'udp') expect(metrics.one(own('dns_tap_packets_total'), taps)).toBe(294);
    expect(metrics.sum(own('dns_missed_packets_total'))).toBe(0);
    expect(metrics.sum(own('dns_malformed_messages_total'))).toBe(0);
    expect(metrics.by('cause', own('dns_stream_dropped_bytes_total'))).toEqual(NOTHING_DROPPED);

    const pods = { source_podname: /client$/, destination_podname: /server$/ };
    expect(metrics.sum(own('adv_dns_request_count'), { ...pods, query_type: 'A' })).toBe(77);
    expect(metrics.one(own('adv_dns_unanswered_total'), { ...pods, query: 'drop6.example.com.' })).toBe(1);
    const back = { source_podname: /server$/, destination_podname: /client$/, query_type: 'A' };
    expect(metrics.sum(own('adv_dns_response_count'), back)).toBe(70);
    const known = { ...back, query: 'a39.example.com.', return_code: 'NOERROR', num_response: '1' };
    expect(metrics.one(own('adv_dns_response_count'), { ...known, response: '192.0.2.9' })).toBe(1);
    const latency = metrics.by('direction', own('adv_dns_latency_seconds_count'));
    expect(latency).toEqual({ INGRESS: 70, EGRESS: 70 });
  });

  it('tells each message in the flow log, at every pod’s interface it passes', async () => {
    await using host = await start();
    const server = await serveDns(net.pod('server').namespace);
    const { ipv4, namespace } = net.pod('client');
    await askDns(namespace, {
      server: net.pod('server').ipv4,
      protocol: 'udp',
      names: ['chain.Example.com'],
      type: 28,
    });
    await server.stop();
    await sleep(100);
    const flows = await host.flows();
    expect(flows.map(({ trace_observation_point: at, dns }) => [at, dns?.response])).toEqual([
      ['FROM_ENDPOINT', false],
      ['TO_ENDPOINT', false],
      ['FROM_ENDPOINT', true],
      ['TO_ENDPOINT', true],
    ]);
    expect(flows[3]).toMatchObject({
      Type: 'L7', verdict: 'FORWARDED', is_reply: true, traffic_direction: 'INGRESS', packets: 0, netns: namespace.inode,
      IP: { destination: ipv4 }, l4: { UDP: { source_port: 53 } },
      dns: {
        id: 0, query: 'chain.Example.com', query_type: 'AAAA', response_code: 'NOERROR', answers: 2, ttl: 7,
        addresses: ['2001:db8::9'], cnames: ['edge.example.net'],
      },
    }); // prettier-ignore
    expect(flows[3]!.dns!.latency_ms).toBeGreaterThan(0);
    expect(flows[1]!.dns!.latency_ms).toBeUndefined();
  });

  it('remembers names by the addresses that were answered', async () => {
    await using host = await start();
    const server = await serveDns(net.pod('server').namespace);
    const { namespace } = net.pod('client');
    await askDns(namespace, { server: net.pod('server').ipv4, protocol: 'udp', names: ['Shop.example.com'] });
    await server.stop();
    await sleep(100);
    await host.flows();
    // to the address that was answered; nobody is there
    await askDns(namespace, { server: '192.0.2.9', protocol: 'udp', names: ['x'], waitMs: 50 });
    await sleep(100);
    expect((await host.flows())[0]).toMatchObject({ IP: { destination: '192.0.2.9' }, destination_names: ['shop.example.com'] });
  }); // prettier-ignore

  it('is read by a stock resolver, which asks again over TCP what did not fit', async () => {
    await using host = await start();
    const server = await serveDns(net.outside);
    const { namespace } = net.pod('client');
    const asked = ['a1.example.com', 'cut1.example.com', 'nx1.example.com'];
    const found = await resolveDns(namespace, net.outsideAddress.ipv4, asked);
    expect(found).toEqual([1, 300, 'ENOTFOUND']);
    const { queries, responses } = await server.stop();
    const metrics = await settled(host);
    expect(metrics.one(own('dns_request_count'))).toBe(queries);
    expect(metrics.one(own('dns_response_count'))).toBe(responses);
    expect(metrics.one(own('dns_truncated_responses_total'))).toBe(1);
    expect(metrics.one(own('dns_tap_messages_total'), { protocol: 'tcp', outcome: 'counted' })).toBe(2);
    expect(metrics.one(own('dns_unanswered_total'))).toBe(0);
    // more addresses than a label holds
    const cut = { query: 'cut1.example.com.', num_response: '300', response: /^198\.51\.0\.0,.*(,.*){14}$/ };
    expect(metrics.one(own('adv_dns_response_count'), cut)).toBe(1);
  });

  it.each<[string, number, (net: NodeWorld) => Promise<void>]>([
    ['what a pod asks beyond the uplink', 30, (net) => askFar(net.pod('client').namespace)],
    ['what the node asks itself', 60, (net) => askFar(net.node).then(() => askFar(net.node, 'tcp'))],
    [
      'what a pod asks from behind the node’s address',
      30,
      async (net) => {
        await net.node.nft('table ip nat {\nchain out { type nat hook postrouting priority 100; oifname "eth0" masquerade random; }\n}\n');
        await askFar(net.pod('client').namespace);
        await net.node.exec('nft', ['delete', 'table', 'ip', 'nat']);
      },
    ],
  ])('counts once %s', async (_, messages, traffic) => {
    const server = await serveDns(net.outside);
    await using host = await start();
    await traffic(net);
    await server.stop();
    const metrics = await settled(host);
    for (const family of ['dns_request_count', 'dns_response_count', 'dns_latency_seconds_count']) {
      expect(metrics.one(own(family))).toBe(messages);
    }
    expect(metrics.sum(own('adv_dns_request_count'))).toBe(messages);
    expect(metrics.sum(own('adv_dns_response_count'))).toBe(messages);
  }); // prettier-ignore

  const askFar = async (from: Namespace, protocol: 'udp' | 'tcp' = 'udp'): Promise<void> => {
    await askDns(from, { server: net.outsideAddress.ipv4, protocol, names: names('u', 30) });
  };
});
