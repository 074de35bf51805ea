import { kernelChecks } from '@retina/testkit/kernels';
import { askDns, names, serveDns } from './world.ts';

const own = (name: string) => `networkobservability_${name}`;

export default kernelChecks({
  // long enough for an emulated server, short enough to be waited for
  options: { timeoutSeconds: 8 },
  config: { enablePodLevel: true, remoteContext: true },
  pods: ['client', 'server'],
  async check(on) {
    const { host } = on;
    const server = await serveDns(on.pod('server').namespace);
    let [queries, responses] = [0, 0];
    for (const protocol of ['udp', 'tcp'] as const) {
      for (const ip of ['ipv4', 'ipv6'] as const) {
        const asked = [
          ...names('a', 10),
          ...names('nx', 5),
          'split.example.com',
          'cut.example.com',
          ...names('drop', 3),
        ];
        const ask = { server: on.pod('server')[ip], protocol, names: asked, pieces: 100, waitMs: 10_000 };
        await askDns(on.pod('client').namespace, ask);
        queries += asked.length;
        responses += asked.length - 3;
        const counts = async () => {
          const metrics = await host.metrics();
          return [metrics.one(own('dns_request_count')), metrics.one(own('dns_response_count'))];
        };
        await on.finds(`queries and answers over ${protocol} and ${ip}`, [queries, responses], counts);
      }
    }
    await server.stop();
    const metric = async (name: string) => (await host.metrics()).sum(own(name));
    await on.finds('latencies', responses, () => metric('dns_latency_seconds_count'));
    await on.finds('queries never answered', 12, () => metric('dns_unanswered_total'));
    await on.finds('fragments of answers, both families', 8, () => metric('dns_missed_packets_total'));
    await on.finds('the same by pod', responses, () => metric('adv_dns_response_count'));
  },
});
