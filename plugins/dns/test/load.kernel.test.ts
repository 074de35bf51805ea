import { setTimeout as sleep } from 'node:timers/promises';
import {
  datagrams, ethernet, ipv4, ipv6, type Layer, type MetricText, NodeWorld, packet, payload, PluginHost, sendFrames, serve, stream, tcp, udp, World,
} from '@retina/testkit'; // prettier-ignore
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { message, prefixed } from './build.ts';
import { askDns, names, serveDns } from './world.ts';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');
const own = (name: string) => `networkobservability_${name}`;

kernel('dns, under load and bad input', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('dnsload');
    net = await NodeWorld.create(world, ['client', 'server']);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}) =>
    PluginHost.start({
      in: net.node,
      keepFlows: false,
      plugins: [[PLUGIN, { timeoutSeconds: 1, ...options }]],
      config: { enablePodLevel: true, remoteContext: true },
    });
  const settled = async (host: PluginHost): Promise<MetricText> => {
    await sleep(2000);
    return host.metrics();
  };
  /** A frame from the client pod to the server pod. */
  const frame = (ip: 'ipv4' | 'ipv6', transport: Layer, bytes: Uint8Array) => {
    const [client, server] = [net.pod('client'), net.pod('server')];
    const addresses = { source: client[ip], destination: server[ip] };
    const layer = ip === 'ipv4' ? ipv4(addresses) : ipv6(addresses);
    return packet(ethernet({ source: client.mac, destination: server.mac }), layer, transport, payload(bytes));
  };
  const query = (name: string, i: number) =>
    frame('ipv4', udp({ source: 10_000 + i, destination: 53 }), message({ id: i, name }));
  /** Every datagram at a tap became a message, or is counted as missed. */
  const addsUp = (metrics: MetricText): void => {
    const udp = { protocol: 'udp' };
    const seen = metrics.sum(own('dns_tap_messages_total'), udp) + metrics.sum(own('dns_missed_packets_total'), udp);
    expect(seen).toBe(metrics.one(own('dns_tap_packets_total'), udp));
  };

  it('loses nothing at 10 000 queries per second', async () => {
    // more than the default, since whatever else runs on a machine that tests may take the CPUs for a while
    await using host = await start({ ringBytes: 33_554_432 });
    const server = await serveDns(net.pod('server').namespace);
    const frames = Array.from({ length: 1000 }, (_, i) => query(`service-${i % 100}.example.com`, i));
    const sent = await sendFrames(net.pod('client').namespace, frames, {
      device: 'eth0',
      packets: 30_000,
      rate: 10_000,
    });
    await sleep(500);
    const { responses } = await server.stop();
    const metrics = await settled(host);
    expect(sent.packets).toBe(30_000);
    expect(metrics.one(own('dns_request_count'))).toBe(30_000);
    expect(metrics.one(own('dns_response_count'))).toBe(responses);
    expect(metrics.sum(own('adv_dns_request_count'))).toBe(30_000);
    expect(metrics.sum(own('dns_missed_packets_total'))).toBe(0);
    addsUp(metrics);
  });

  it('counts what finds the ring full', async () => {
    await using host = await start({ ringBytes: 65_536, readMs: 50 });
    const sink = await serve(net.pod('server').namespace, 'udp-sink', { source: '::', port: 53 });
    const frames = Array.from({ length: 1000 }, (_, i) => query('example.com', i));
    const sent = await sendFrames(net.pod('client').namespace, frames, { device: 'eth0', packets: 50_000 });
    await sink.stop();
    const metrics = await settled(host);
    const full = metrics.one(own('dns_missed_packets_total'), { protocol: 'udp', cause: 'ring_full' });
    expect(full).toBeGreaterThan(0);
    expect(metrics.one(own('dns_tap_packets_total'), { protocol: 'udp' })).toBe(2 * sent.packets);
    addsUp(metrics);
  });

  it.each([
    ['by default', {}, [53, 5353]],
    ['as configured', { ports: [5300, 53] }, [53, 5300]],
  ])('reads what comes to the ports it is told to, and to no other: %s', async (_, options, ports) => {
    await using host = await start(options);
    const all = [53, 5300, 5353, 5399];
    const sink = await Promise.all(
      all.map((port) => serve(net.pod('server').namespace, 'udp-sink', { source: '::', port })),
    );
    const frames = all.flatMap((destination) => {
      const bytes = message({ name: `p${destination}.example` });
      return (['ipv4', 'ipv6'] as const).flatMap((ip) => [
        frame(ip, udp({ source: 10_000, destination }), bytes),
        frame(ip, tcp({ source: 20_000, destination, flags: ['ACK'], sequence: 7 }), prefixed(bytes)),
      ]);
    });
    await sendFrames(net.pod('client').namespace, frames, { device: 'eth0' });
    await Promise.all(sink.map((one) => one.stop()));
    const metrics = await settled(host);
    // over UDP and TCP, IPv4 and IPv6
    const expected = Object.fromEntries(ports.map((port) => [`p${port}.example.`, 4]));
    expect(metrics.by('query', own('adv_dns_request_count'))).toEqual(expected);
  });

  it('leaves the bulk of data over its ports alone', async () => {
    await using host = await start({ maxRecordsPerSecond: 1000 });
    const sink = await serve(net.pod('server').namespace, 'stream-sink', { source: net.pod('server').ipv4, port: 53 });
    const sent = await stream(net.pod('client').namespace, { destination: net.pod('server').ipv4, port: 53, bytes: 30_000_000 });
    await sink.stop();
    const metrics = await settled(host);
    const missed = metrics.one(own('dns_missed_packets_total'), { protocol: 'tcp', cause: 'rate_limit' });
    expect(missed).toBeGreaterThan(0);
    expect(metrics.one(own('dns_tap_packets_total'), { protocol: 'tcp' })).toBeGreaterThan(sent.segmentsOut);
    expect(metrics.one(own('dns_stream_buffer_bytes'))).toBe(0);
  }); // prettier-ignore

  it('names what is wrong with a message, and goes on', async () => {
    await using host = await start();
    const sink = await serve(net.pod('server').namespace, 'udp-sink', { source: '::', port: 53 });
    const wrong: Record<string, Uint8Array> = {
      too_short: new Uint8Array(5),
      question_cut: message({ counts: [1, 0, 0, 0] }),
      question_pointer: message({ name: Uint8Array.of(0xc0, 12) }),
      question_label: message({ name: Uint8Array.of(0x41, 1, 0) }),
      question_name_too_long: message({ name: new Uint8Array(1300).map((_, i) => (i % 64 === 0 ? 63 : 65)) }),
      records_cut: message({ response: true, name: 'a.example', counts: [1, 500, 0, 0] }),
      records_pointer: message({ response: true, name: 'a', answers: [{ name: Uint8Array.of(0xc0, 200), type: 1, data: [] }] }),
    };
    const frames = (['ipv4', 'ipv6'] as const).flatMap((ip) =>
      Object.values(wrong).map((bytes) => frame(ip, udp({ source: 5000, destination: 53 }), bytes)),
    );
    await sendFrames(net.pod('client').namespace, frames, { device: 'eth0', packets: frames.length * 10 });
    await sendFrames(net.pod('client').namespace, [query('good.example', 1)], { device: 'eth0' });
    await sink.stop();
    const metrics = await settled(host);
    // ten of each over each family, at two taps
    const expected = Object.fromEntries(Object.keys(wrong).map((cause) => [cause, 40]));
    expect(metrics.by('cause', own('dns_malformed_messages_total'))).toEqual(expected);
    expect(metrics.one(own('dns_request_count'))).toBe(1);
    expect(metrics.one(own('dns_response_count'))).toBe(40); // their records lie, they are responses all the same
    addsUp(metrics);
    const { components } = await host.health();
    expect(components.map(({ state }) => state)).toEqual(['running']);
  }); // prettier-ignore

  it('counts an answer in fragments once, and the fragments', async () => {
    await using host = await start();
    const server = await serveDns(net.pod('server').namespace);
    const asked = names('split', 5);
    expect(await askDns(net.pod('client').namespace, { server: net.pod('server').ipv4, protocol: 'udp', names: asked })).toBe(5);
    await server.stop();
    const metrics = await settled(host);
    expect(metrics.one(own('dns_response_count'))).toBe(5);
    expect(metrics.sum(own('adv_dns_response_count'), { num_response: '200', query: /^split/ })).toBe(5);
    // 3242 bytes are three packets, seen at two taps
    expect(metrics.one(own('dns_missed_packets_total'), { protocol: 'udp', cause: 'later_fragment' })).toBe(20);
    expect(metrics.sum(own('dns_malformed_messages_total'))).toBe(0);
    addsUp(metrics);
  }); // prettier-ignore

  it('takes joined datagrams apart', async () => {
    await using host = await start();
    const sink = await serve(net.pod('server').namespace, 'udp-sink', { source: '::', port: 53 });
    const { ipv4: source, namespace } = net.pod('client');
    const sent = await datagrams(namespace, { source, destination: net.pod('server').ipv4, port: 53, packets: 40, size: 8000, segment: 800 }); // prettier-ignore
    await sink.stop();
    const metrics = await settled(host);
    expect(sent.packets).toBe(40);
    expect(metrics.one(own('dns_tap_packets_total'), { protocol: 'udp' })).toBe(80);
    // zeroes are a query without a question
    expect(metrics.sum(own('dns_tap_messages_total'), { protocol: 'udp' })).toBe(80);
    expect(metrics.one(own('dns_request_count'))).toBe(40);
    addsUp(metrics);
  });

  it('is not impressed by forged streams', async () => {
    await using host = await start({ streams: { max: 64, bytesEach: 4096, bytesTotal: 65_536 } });
    // connections that never were, each with bytes from nowhere; among them one message that is good
    const forged = Array.from({ length: 1000 }, (_, i) =>
      frame('ipv4', tcp({ source: 1024 + i, destination: 53, flags: ['ACK'], sequence: i * 12_345 }), new Uint8Array(1000).fill(i)),
    );
    const good = frame('ipv6', tcp({ source: 999, destination: 53, flags: ['ACK'], sequence: 7 }), prefixed(message({ name: 'good.example' })));
    await sendFrames(net.pod('client').namespace, [...forged, good], { device: 'eth0', packets: 1001, rate: 20_000 });
    const metrics = await settled(host);
    expect(metrics.one(own('dns_request_count'))).toBe(1);
    expect(metrics.sum(own('adv_dns_request_count'), { query: 'good.example.' })).toBe(1);
    expect(metrics.one(own('dns_streams'))).toBeLessThanOrEqual(64);
    expect(metrics.one(own('dns_stream_buffer_bytes'))).toBe(0);
    expect(metrics.sum(own('dns_stream_dropped_bytes_total'))).toBe(2 * 1_000_000);
  }); // prettier-ignore
});
