import { setTimeout as sleep } from 'node:timers/promises';
import { AgentProcess, connect, type MetricText, NodeWorld, PluginHost, serve, stream, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dialogue, fromNode, fromServer, PORT } from './frames.ts';

const plugin = (name: string) => new URL(`../../${name}/src/index.ts`, import.meta.url);
const THIS = plugin('apiserverlatency');
const AGENT = new URL('../../../packages/agent/src/main.ts', import.meta.url);
const LATENCY = 'networkobservability_adv_node_apiserver_latency';
const HANDSHAKE = 'networkobservability_adv_node_apiserver_tcp_handshake_latency';
const NO_RESPONSE = 'networkobservability_adv_node_apiserver_no_response';
const UNMEASURED = 'networkobservability_apiserver_unmeasured_total';
/** Long enough for a machine under load to answer, or for the test to answer by hand. */
const TIMEOUT_MS = 1500;

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

/** What there is to see, in short. */
function figures(metrics: MetricText) {
  return {
    all: metrics.one(`${LATENCY}_count`),
    handshakes: metrics.one(`${HANDSHAKE}_count`),
    unanswered: metrics.one(NO_RESPONSE, { no_response: 'no_response' }),
    repeated: metrics.one(UNMEASURED, { cause: 'repeated' }),
  };
}

kernel('apiserverlatency', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('apiserver');
    net = await NodeWorld.create(world, ['a']);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  const start = async (before: readonly string[] = [], behind: readonly string[] = []) =>
    PluginHost.start({
      in: net.node,
      plugins: [
        ...before.map((name) => [plugin(name)] as const),
        [THIS, { intervalMs: 100, noResponseMs: TIMEOUT_MS }],
        ...behind.map((name) => [plugin(name)] as const),
      ],
      config: { apiServers: [`${net.outsideAddress.ipv4}:${PORT}`, `[${net.outsideAddress.ipv6}]:${PORT}`] },
    });
  /** Longer than it takes to call a request unanswered, and to read it. */
  const settled = async (host: PluginHost) => {
    await sleep(TIMEOUT_MS + 1000);
    return host.metrics();
  };
  /** Keeps both ends' kernels out of dialogues made by hand. */
  const silence = async () => {
    const rules = `table inet quiet {
      chain in { type filter hook input priority 0; tcp dport ${PORT} drop; }
      chain out { type filter hook output priority 0; tcp flags rst drop; }
    }\n`;
    for (const space of [net.node, net.outside]) await space.nft(rules);
    return async () => {
      for (const space of [net.node, net.outside]) await space.nft('delete table inet quiet\n');
    };
  };

  it.each([
    ['alone', [], [], 1],
    ['between others', ['packetparser'], ['packetforward'], 1],
    ['without timestamps', [], [], 0],
  ] as const)('measures every handshake and every segment once, %s', async (_, before, behind, timestamps) => {
    for (const space of [net.node, net.outside, net.pod('a').namespace]) {
      await space.sysctl({ 'net.ipv4.tcp_timestamps': timestamps });
    }
    await using host = await start(before, behind);
    const began = performance.now();
    for (const family of ['ipv4', 'ipv6'] as const) {
      const destination = net.outsideAddress[family];
      const server = await serve(net.outside, 'accept', { source: destination, port: PORT });
      const other = await serve(net.outside, 'accept', { source: destination, port: PORT + 1 });
      for (const from of [net.node, net.pod('a').namespace]) {
        const made = await connect(from, { destination, port: PORT, packets: 100, size: 1000 });
        expect(made.connections).toBe(100);
        await connect(from, { destination, port: PORT + 1, packets: 20, size: 1000 });
      }
      await server.stop();
      await other.stop();
    }
    const took = performance.now() - began;
    const metrics = await settled(host);
    const { all, handshakes, unanswered, repeated } = figures(metrics);
    expect(handshakes).toBe(400);
    expect(all + repeated).toBe(800); // a machine under load may send something again
    expect(unanswered).toBe(0);
    for (const name of [LATENCY, HANDSHAKE]) {
      expect(metrics.one(`${name}_sum`)).toBeGreaterThan(0);
      expect(metrics.one(`${name}_sum`)).toBeLessThan(took);
    }
    expect(metrics.one('networkobservability_apiserver_connections')).toBe(0);
    expect(metrics.one('networkobservability_apiserver_addresses')).toBe(2);
  });

  it('takes the first segment of what is sent in bulk', async () => {
    await using host = await start();
    const server = await serve(net.outside, 'stream-sink', { source: net.outsideAddress.ipv4, port: PORT });
    const began = performance.now();
    await stream(net.node, { destination: net.outsideAddress.ipv4, port: PORT, bytes: 30_000_000 });
    const took = performance.now() - began;
    await server.stop();
    const metrics = await settled(host);
    const { all, handshakes, unanswered } = figures(metrics);
    expect(handshakes).toBe(1);
    expect(all).toBeGreaterThan(10);
    expect(unanswered).toBe(0);
    expect(metrics.one(`${LATENCY}_sum`)).toBeLessThan(took);
  });

  it('takes a refusal for an answer, and for no handshake', async () => {
    await using host = await start();
    for (const destination of Object.values(net.outsideAddress)) {
      const { refused } = await connect(net.node, { destination, port: PORT, packets: 30 });
      expect(refused).toBe(30);
    }
    expect(figures(await settled(host))).toEqual({ all: 0, handshakes: 0, unanswered: 0, repeated: 0 });
  });

  it.each(['ipv4', 'ipv6'] as const)('counts each attempt that nobody answers once, over %s', async (family) => {
    const loud = await silence();
    await using host = await start();
    const dialogues = Array.from({ length: 25 }, (_, i) => dialogue(net, family, 40_000 + i));
    const syns = dialogues.map(({ client }, i) => client({ flags: ['SYN'], seq: 1000 + i }));
    await fromNode(net, ...syns, ...syns.slice(0, 10)); // ten of them are repeated at once,
    expect(figures(await settled(host)).unanswered).toBe(25);
    await fromNode(net, ...syns.slice(5, 20)); // fifteen after their time,
    await fromServer(
      net,
      ...dialogues.map(({ server }, i) => server({ flags: ['SYN', 'ACK'], seq: 1, ack: 1001 + i })),
    );
    // and no answer that comes now is one
    expect(figures(await settled(host))).toEqual({ all: 0, handshakes: 0, unanswered: 25, repeated: 0 });
    await loud();
  });

  it('measures what lies between a request and its answer', async () => {
    const loud = await silence();
    await using host = await start();
    const { client, server } = dialogue(net, 'ipv4', 41_000);
    const ask = async (request: ReturnType<typeof client>, answer: ReturnType<typeof client>) => {
      const before = performance.now();
      await fromNode(net, request);
      const sent = performance.now();
      await sleep(120);
      const answering = performance.now();
      await fromServer(net, answer);
      return { least: answering - sent, most: performance.now() - before };
    };
    // sequence numbers go round in the middle of the first segment with data
    const syn = await ask(
      client({ flags: ['SYN'], seq: 0xffff_fff0 }),
      server({ flags: ['SYN', 'ACK'], seq: 9, ack: 0xffff_fff1 }),
    );
    await fromNode(net, client({ flags: ['ACK'], seq: 0xffff_fff1, ack: 10 }));
    const data = await ask(
      client({ flags: ['PSH', 'ACK'], seq: 0xffff_fff1, ack: 10, size: 100 }),
      server({ flags: ['ACK'], seq: 10, ack: 85 }),
    );
    await vi.waitFor(async () => expect(figures(await host.metrics()).all).toBe(2), { timeout: 5000 });
    const metrics = await host.metrics();
    const handshake = metrics.one(`${HANDSHAKE}_sum`);
    expect(handshake).toBeGreaterThan(syn.least);
    expect(handshake).toBeLessThan(syn.most);
    expect(metrics.one(`${LATENCY}_sum`)).toBeGreaterThan(syn.least + data.least);
    expect(metrics.one(`${LATENCY}_sum`)).toBeLessThan(syn.most + data.most);
    await loud();
  });

  it('takes no sample from what was sent twice, and waits for nothing that needs no answer', async () => {
    const loud = await silence();
    await using host = await start();
    const { client, server } = dialogue(net, 'ipv4', 42_000);
    const syn = client({ flags: ['SYN'], seq: 100 });
    await fromNode(net, syn, syn);
    await fromServer(net, server({ flags: ['SYN', 'ACK'], seq: 500, ack: 101 }));
    expect(figures(await host.metrics())).toMatchObject({ handshakes: 0 });

    const data = client({ flags: ['PSH', 'ACK'], seq: 101, ack: 501, size: 50 });
    await fromNode(net, client({ flags: ['ACK'], seq: 101, ack: 501 }), data, data);
    await fromServer(net, server({ flags: ['ACK'], seq: 501, ack: 151 }));
    // again, although answered; a keep-alive probe; a short frame's padding; an acknowledgement alone
    await fromNode(net, data, client({ flags: ['ACK'], seq: 150, ack: 501, size: 1 }));
    await fromNode(
      net,
      client({ flags: ['ACK'], seq: 151, ack: 501, padding: 6 }),
      client({ flags: ['ACK'], seq: 151, ack: 502 }),
    );
    expect(figures(await settled(host))).toEqual({ all: 0, handshakes: 0, unanswered: 0, repeated: 2 });

    // an acknowledgement of less than the whole segment is no answer; data nobody acknowledges counts once
    await fromNode(net, client({ flags: ['PSH', 'ACK'], seq: 151, ack: 502, size: 50 }));
    await fromServer(net, server({ flags: ['ACK'], seq: 502, ack: 160 }));
    expect(figures(await settled(host))).toEqual({ all: 0, handshakes: 0, unanswered: 1, repeated: 2 });

    // a connection from before: its first data may be a repetition, the next is measured
    const old = dialogue(net, 'ipv4', 42_001);
    await fromNode(net, old.client({ flags: ['ACK'], seq: 7000, ack: 1, size: 10 }));
    await fromServer(net, old.server({ flags: ['ACK'], seq: 1, ack: 7010 }));
    await fromNode(net, old.client({ flags: ['ACK'], seq: 7010, ack: 1, size: 10 }));
    await fromServer(net, old.server({ flags: ['ACK'], seq: 1, ack: 7020 }));
    expect(figures(await settled(host))).toEqual({ all: 1, handshakes: 0, unanswered: 1, repeated: 2 });
    await loud();
  });

  it('follows the list of addresses, and shows the buckets of the original', async () => {
    const config = (...apiServers: string[]) => ({
      plugins: { [THIS.pathname]: { intervalMs: 100 } },
      exporters: { prometheus: {} },
      apiServers,
    });
    const { ipv4, ipv6 } = net.outsideAddress;
    await using agent = await AgentProcess.start({ in: net.node, entry: AGENT, config: config(`${ipv4}:${PORT}`) });
    const servers = await Promise.all(
      [ipv4, ipv6].map((source) => serve(net.outside, 'accept', { source, port: PORT })),
    );
    const count = (handshakes: number) =>
      vi.waitFor(
        async () => expect((await agent.metrics()).one(`${HANDSHAKE}_bucket`, { le: '+Inf' })).toBe(handshakes),
        { timeout: 10_000, interval: 100 },
      );
    const both = async () => {
      await connect(net.node, { destination: ipv4, port: PORT, packets: 10 });
      await connect(net.node, { destination: ipv6, port: PORT, packets: 30 });
    };
    await both();
    await count(10);
    agent.configure(config(`[${ipv6}]:${PORT}`, '10.96.0.1:443'));
    agent.running.kill('SIGHUP');
    await vi.waitFor(
      async () => expect((await agent.metrics()).one('networkobservability_apiserver_addresses')).toBe(2),
      { timeout: 10_000, interval: 100 },
    );
    await both();
    await count(40);
    const bounds = (await agent.metrics()).select(`${LATENCY}_bucket`).map(({ labels }) => labels['le']);
    expect(bounds).toEqual([...Array.from({ length: 64 }, (_, i) => String(i + 0.5)), '+Inf']);
    for (const server of servers) await server.stop();
  });
});
