import { type AgentProcess, connect, NodeWorld, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KERNEL, startAgent } from './exact/fixture.ts';

interface Node {
  readonly world: World;
  readonly net: NodeWorld;
  readonly agent: AgentProcess;
  /** Connects of a pod to the node itself that nobody answers: each sends its SYN once more before it is given up. */
  readonly unanswered: number;
  readonly refused: number;
  readonly made: number;
}

const CONFIG = {
  plugins: { tcpretrans: {}, tcphealth: {} },
  exporters: { prometheus: {} },
  enablePodLevel: true,
};
const SILENT = 'table inet t {\nchain c {\ntype filter hook prerouting priority -300;\ntcp dport 7001 drop\n}\n}\n';
const GIVES_UP = `const [host, count] = process.argv.slice(1);
for (let i = 0; i < Number(count); i++) {
  const socket = require('node:net').connect({ host, port: 7001 }).on('error', () => {});
  setTimeout(() => socket.destroy(), 1600);
}`;

async function makeNode(counts: Pick<Node, 'unanswered' | 'refused' | 'made'>): Promise<Node> {
  const world = await World.create('twotcp');
  const net = await NodeWorld.create(world, ['a', 'b']);
  await net.node.nft(SILENT);
  await net.outside.nft(SILENT);
  return { world, net, agent: await startAgent(net, CONFIG), ...counts };
}

/** What happens on a node, and the same from beyond it, whose retransmissions and failures are nobody's. */
async function happen({ net, unanswered, refused, made }: Node): Promise<void> {
  const a = net.pod('a');
  const server = await serve(net.node, 'accept', { source: net.address.ipv4, port: 80 });
  const giveUp = (where: typeof net.outside) =>
    where.exec(process.execPath, ['-e', GIVES_UP, net.address.ipv4, String(unanswered)]);
  await Promise.all([giveUp(a.namespace), giveUp(net.outside)]);
  for (const where of [a.namespace, net.outside]) {
    await connect(where, { destination: net.address.ipv4, port: 9, packets: refused });
    await connect(where, { destination: net.address.ipv4, port: 80, packets: made, size: 100 });
  }
  await server.stop();
}

describe.runIf(KERNEL)('two nodes on one kernel, their TCP', () => {
  const nodes: Node[] = [];

  beforeAll(async () => {
    nodes.push(await makeNode({ unanswered: 4, refused: 5, made: 30 }));
    nodes.push(await makeNode({ unanswered: 7, refused: 11, made: 50 }));
  });
  afterAll(async () => {
    for (const { agent, world } of nodes) {
      await agent[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    }
  });

  it('each agent counts the retransmissions, failures and connections of its own node, and of no other', async () => {
    await Promise.all(nodes.map((node) => happen(node)));
    for (const { agent, net, unanswered, refused, made } of nodes) {
      const name = (family: string) => `networkobservability_${family}`;
      const pod = { podname: net.pod('a').namespace.name };
      // what reads the metrics connects as well, but not to this address
      const accepted = async () =>
        (await agent.metrics()).sum(name('adv_tcp_connections_accepted_total'), { ip: net.address.ipv4 });
      await expect.poll(accepted, { timeout: 10_000 }).toBe(2 * made);
      const metrics = await agent.metrics();
      expect(metrics.one(name('adv_tcp_connections_opened_total'), pod)).toBe(made);
      const failed = { ECONNREFUSED: refused, given_up: unanswered };
      expect(metrics.by('error', name('adv_tcp_connections_failed_total'), pod)).toEqual(failed);
      expect(metrics.by('error', name('tcp_connections_failed_total'))).toEqual(failed);
      // On a busy machine an answer may take so long that the kernel probes for it: that is one more, of its own node.
      const { syn, loss_probe: probes = 0, ...more } = metrics.by('kind', name('tcp_retransmitted_segments_total'));
      expect({ syn, more }).toEqual({ syn: unanswered, more: {} });
      const sent = metrics.one(name('adv_tcpretrans_count'), { ...pod, direction: 'egress' });
      expect(sent).toBeGreaterThanOrEqual(unanswered);
      expect(sent).toBeLessThanOrEqual(unanswered + probes);
    }
  });
});
