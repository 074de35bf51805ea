import { setTimeout as sleep } from 'node:timers/promises';
import { connect, NodeWorld, PluginHost, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PLUGIN = new URL('../src/syns-per-pod.ts', import.meta.url);
const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

kernel('syns-per-pod', () => {
  let world: World;
  let net: NodeWorld;
  beforeAll(async () => {
    world = await World.create('howto');
    net = await NodeWorld.create(world, ['a', 'b']);
  });
  afterAll(async () => world[Symbol.asyncDispose]());

  it.each(['ipv4', 'ipv6'] as const)('counts each attempt at the pod that makes it and at the pod it is for, %s', async (ip) => {
    await using host = await PluginHost.start({ in: net.node, plugins: [[PLUGIN, { intervalMs: 100 }]], config: { enablePodLevel: true } });
    const [a, b] = [net.pod('a'), net.pod('b')];
    const server = await serve(b.namespace, 'accept', { source: b[ip], port: 80 });
    await connect(a.namespace, { destination: b[ip], port: 80, packets: 12, size: 100 });
    await server.stop();
    await sleep(500);
    const metrics = await host.metrics();
    const seen = (podname: string, direction: string) =>
      metrics.sum('networkobservability_pod_syns_total', { podname, direction });
    expect(seen(a.namespace.name, 'egress')).toBe(12);
    expect(seen(b.namespace.name, 'ingress')).toBe(12);
    expect(metrics.sum('networkobservability_pod_syns_total')).toBe(24);
    expect(metrics.one('networkobservability_pod_syns_lost_total')).toBe(0);
  });
}); // prettier-ignore
