import { connect, kernelChecks, serve } from '@retina/testkit/kernels';
import { dialogue, fromNode, PORT } from './frames.ts';

const PREFIX = 'networkobservability_adv_node_apiserver';

export default kernelChecks({
  // an emulated machine takes its time to answer
  options: { intervalMs: 100, noResponseMs: 5000 },
  config: { apiServers: [`192.168.77.1:${PORT}`, `[fd00:77::1]:${PORT}`] },
  pods: ['a'],
  async check(on) {
    const { net } = on;
    const count = async (name: string) => (await on.host.metrics()).one(`${PREFIX}_${name}_count`);
    const unanswered = async () => (await on.host.metrics()).sum(`${PREFIX}_no_response`);
    let handshakes = 0;
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const server = await serve(net.outside, 'accept', { source: net.outsideAddress[ip], port: PORT });
      for (const from of [net.node, on.pod('a').namespace]) {
        handshakes += (await connect(from, { destination: net.outsideAddress[ip], port: PORT, packets: 20, size: 500 })).connections; // prettier-ignore
      }
      await server.stop();
      await on.finds(`handshakes, ${ip}`, handshakes, () => count('tcp_handshake_latency'));
      await on.finds(`handshakes and segments, ${ip}`, 2 * handshakes, async () => {
        const repeated = (await on.host.metrics()).sum('networkobservability_apiserver_unmeasured_total');
        return (await count('latency')) + repeated;
      });
    }
    await net.outside.nft(
      `table inet quiet {\nchain in { type filter hook input priority 0; tcp dport ${PORT} drop; }\n}\n`,
    );
    const syns = Array.from({ length: 12 }, (_, i) => dialogue(net, 'ipv4', 40_000 + i).client({ flags: ['SYN'] }));
    await fromNode(net, ...syns, ...syns);
    await on.finds('attempts nobody answered, each once', 12, unanswered);
  },
});
