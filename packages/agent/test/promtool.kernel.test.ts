import { AgentProcess, connect, NodeWorld, run, serve, World } from '@retina/testkit';
import { expect, it } from 'vitest';

const ENTRY = new URL('../src/main.ts', import.meta.url);
/** Names that compatibility with the original forces, and rules of Prometheus' that they break. */
const FORCED =
  /^(controlplane_networkobservability_(lost_events|parsed_packets|expired_metrics)_counter|controlplane_networkobservability_plugin_manager_failed_to_reconcile|networkobservability_(adv_)?(forward|drop)_(count|bytes)|networkobservability_adv_tcpflags_count|networkobservability_conntrack_\w+) /;

it("satisfies Prometheus' own linter but for names that compatibility forces", async () => {
  await using world = await World.create('promtool');
  const net = await NodeWorld.create(world, ['a', 'b']);
  const config = { plugins: { packetparser: {}, packetforward: {}, dropreason: {} }, enablePodLevel: true, remoteContext: true, enableConntrackMetrics: true }; // prettier-ignore
  await using agent = await AgentProcess.start({ in: net.node, entry: ENTRY, config });
  const { namespace, ipv4: source } = net.pod('b');
  const server = await serve(namespace, 'accept', { source, port: 80 });
  await connect(net.pod('a').namespace, { destination: source, port: 80, packets: 3, size: 100 });
  await server.stop();
  await expect
    .poll(async () => (await agent.metrics()).sum('networkobservability_adv_forward_count'))
    .toBeGreaterThan(3);

  const { stdout, stderr } = await run('promtool', ['check', 'metrics'], {
    input: (await agent.metrics()).text,
    mayFail: true,
  });
  const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line && !FORCED.test(line));
  expect(complaints).toEqual([]);
});
