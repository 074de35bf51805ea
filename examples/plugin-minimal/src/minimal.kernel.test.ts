import { setTimeout as sleep } from 'node:timers/promises';
import { connect, descriptors, NodeWorld, PluginHost, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');
const SYNS = 'networkobservability_tcp_syns_total';
const MINIMAL = new URL('./index.ts', import.meta.url);
const PARSER = new URL(import.meta.resolve('@retina/plugin-packetparser'));
const FORWARD = new URL(import.meta.resolve('@retina/plugin-packetforward'));

kernel('minimal, as a tap', () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('minimal');
    net = await NodeWorld.create(world, ['a', 'b']);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  it.each([
    ['alone', [MINIMAL]],
    ['first, with another behind it', [MINIMAL, FORWARD]],
    ['behind packetparser', [PARSER, MINIMAL]],
    ['between two others', [PARSER, MINIMAL, FORWARD]],
  ])('counts every attempt at every interface it passes, %s', async (_, modules) => {
    await using host = await PluginHost.start({ in: net.node, plugins: modules.map((module) => [module] as const) });
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const server = await serve(net.outside, 'accept', { source: net.outsideAddress[ip], port: 80 });
      await connect(net.pod('a').namespace, { destination: net.outsideAddress[ip], port: 80, packets: 40, size: 100 });
      await server.stop();
      await connect(net.pod('b').namespace, { destination: net.pod('a')[ip], port: 81, packets: 7 });
    }
    await sleep(1200);
    const metrics = await host.metrics();
    const seen = metrics.select(SYNS).map(({ labels, value }) => [labels['interface'], labels['direction'], value]);
    expect(seen.sort()).toEqual([
      ['eth0', 'egress', 80],
      ['vetha', 'egress', 14],
      ['vetha', 'ingress', 80],
      ['vethb', 'ingress', 14],
    ]);
    const { components } = await host.health();
    expect(components.map(({ state }) => state)).toEqual(modules.map(() => 'running'));
  });

  it('attaches nothing more to an interface when it stands behind another', async () => {
    const links = async (...modules: URL[]) => {
      await using host = await PluginHost.start({ in: net.node, plugins: modules.map((module) => [module] as const) });
      expect(await host.taps()).toHaveLength(3);
      return descriptors(host.running.pid)['bpf_link'];
    };
    expect(await links(FORWARD)).toBe(6);
    expect(await links(FORWARD, MINIMAL)).toBe(6);
  });
});
