import { type AgentProcess, connect, datagrams, type MetricText, NodeWorld, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KERNEL, startAgent } from './exact/fixture.ts';

/** As kind makes nodes: several on one kernel, each in network namespaces of its own, here even with the same addresses. */
interface Node {
  readonly world: World;
  readonly net: NodeWorld;
  readonly agent: AgentProcess;
  /** What happens there: packets a pod's rule drops, packets the node's rule drops, connects of a pod and of the node that fail. */
  readonly inPod: number;
  readonly inNode: number;
  readonly refusedPod: number;
  readonly refusedNode: number;
}

const CONFIG = {
  plugins: { packetparser: {}, dropreason: {} },
  exporters: { prometheus: {} },
  enablePodLevel: true,
};
const drops = (port: number) =>
  `table inet t {\nchain c {\ntype filter hook prerouting priority -300;\nudp dport ${port} drop\n}\n}\n`;

async function makeNode(counts: Pick<Node, 'inPod' | 'inNode' | 'refusedPod' | 'refusedNode'>): Promise<Node> {
  const world = await World.create('twonodes');
  const net = await NodeWorld.create(world, ['a', 'b']);
  await net.pod('b').namespace.nft(drops(7001));
  await net.node.nft(drops(7002));
  await net.outside.nft(drops(7003));
  return { world, net, agent: await startAgent(net, CONFIG), ...counts };
}

/** Everything that is to be lost on a node, and as much beyond it, which is nobody's. */
async function lose({ net, inPod, inNode, refusedPod, refusedNode }: Node): Promise<void> {
  const [a, b] = [net.pod('a'), net.pod('b')];
  const outside = net.outsideAddress.ipv4;
  const rate = 2000;
  await datagrams(a.namespace, { source: a.ipv4, destination: b.ipv4, port: 7001, packets: inPod, rate });
  await datagrams(a.namespace, { source: a.ipv4, destination: outside, port: 7002, packets: inNode, rate });
  await datagrams(a.namespace, { source: a.ipv4, destination: outside, port: 7003, packets: 500, rate });
  expect((await connect(a.namespace, { destination: b.ipv4, port: 9, packets: refusedPod })).refused).toBe(refusedPod);
  expect((await connect(net.node, { destination: b.ipv6, port: 9, packets: refusedNode })).refused).toBe(refusedNode);
}

const count = (metrics: MetricText, reason: string) => metrics.sum('networkobservability_drop_count', { reason });

describe.runIf(KERNEL)('two nodes on one kernel', () => {
  const nodes: Node[] = [];

  beforeAll(async () => {
    nodes.push(await makeNode({ inPod: 40, inNode: 11, refusedPod: 5, refusedNode: 3 }));
    nodes.push(await makeNode({ inPod: 70, inNode: 13, refusedPod: 9, refusedNode: 2 }));
  });
  afterAll(async () => {
    for (const { agent, world } of nodes) {
      await agent[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    }
  });

  it('each agent counts the drops and failed connects of its own node, and of no other', async () => {
    await Promise.all(nodes.map((node) => lose(node)));
    for (const { agent, inPod, inNode, refusedPod, refusedNode } of nodes) {
      const connects = refusedPod + refusedNode;
      await expect
        .poll(async () => count(await agent.metrics(), 'TCP_CONNECT_BASIC'), { timeout: 10_000 })
        .toBe(connects);
      const metrics = await agent.metrics();
      expect(count(metrics, 'IPTABLE_RULE_DROP')).toBe(inPod + inNode);
      expect(count(metrics, 'NO_SOCKET')).toBe(connects); // the SYNs, where nobody listened
      expect(metrics.sum('networkobservability_drop_count', {})).toBe(inPod + inNode + 2 * connects);
    }
  });

  it('an event belongs to the endpoint of its namespace', async () => {
    for (const { agent, net, inPod, refusedPod } of nodes) {
      const metrics = await agent.metrics();
      const sum = (reason: string, match: Record<string, string>) =>
        metrics.sum('networkobservability_adv_drop_count', { reason, ...match });
      expect(sum('IPTABLE_RULE_DROP', { direction: 'ingress', ip: net.pod('b').ipv4 })).toBe(inPod);
      expect(sum('TCP_CONNECT_BASIC', { direction: 'egress', ip: net.pod('a').ipv4 })).toBe(refusedPod);
    }
  });

  it('a pod that comes later belongs to its node at once', async () => {
    const [first, second] = nodes as [Node, Node];
    const before = await Promise.all(nodes.map(async ({ agent }) => count(await agent.metrics(), 'IPTABLE_RULE_DROP')));
    const late = await first.net.addPod('late');
    await late.namespace.nft(drops(7004));
    const seen = async () => (await first.agent.metrics()).sum('retina_taps', { role: 'endpoint' });
    await expect.poll(seen, { timeout: 5000 }).toBe(3);
    const a = first.net.pod('a');
    await datagrams(a.namespace, { source: a.ipv6, destination: late.ipv6, port: 7004, packets: 25, rate: 2000 });
    const now = async (node: Node) => count(await node.agent.metrics(), 'IPTABLE_RULE_DROP');
    await expect.poll(() => now(first), { timeout: 5000 }).toBe(before[0]! + 25);
    expect(await now(second)).toBe(before[1]);
  });

  it('an agent that is told to counts those of the whole kernel', async () => {
    const [first, second] = nodes as [Node, Node];
    await first.agent.stop();
    const config = { ...CONFIG, kernelEvents: { namespaces: 'all' } };
    await using agent = await startAgent(first.net, config);
    const { net, inPod } = second;
    const [a, b] = [net.pod('a'), net.pod('b')];
    await datagrams(a.namespace, { source: a.ipv4, destination: b.ipv4, port: 7001, packets: inPod, rate: 2000 });
    const counted = async () => count(await agent.metrics(), 'IPTABLE_RULE_DROP');
    await expect.poll(counted, { timeout: 5000 }).toBeGreaterThanOrEqual(inPod); // others on this machine drop as well
  });
});
