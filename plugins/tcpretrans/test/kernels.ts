import { kernelChecks } from '@retina/testkit/kernels';
import { LOST, lossy } from './lossy.ts';

const SENT = 'networkobservability_tcp_retransmitted_segments_total';
const SPURIOUS = 'networkobservability_tcp_spurious_retransmissions_total';
const POD = 'networkobservability_adv_tcpretrans_count';

export default kernelChecks({
  options: { intervalMs: 200 },
  config: { enablePodLevel: true, remoteContext: true },
  async check(on) {
    let rounds = 0;
    for (const ip of ['ipv4', 'ipv6'] as const) {
      rounds++;
      await lossy(on.net, 'a', 'b', ip);
      for (const [kind, segments] of Object.entries(LOST)) {
        await on.finds(`segments sent again: ${kind}, ${ip}`, rounds * segments, async () => {
          return (await on.host.metrics()).sum(SENT, { kind });
        });
      }
      await on.finds(`segments that need not have been, ${ip}`, rounds, async () => {
        return (await on.host.metrics()).sum(SPURIOUS);
      });
      const total = Object.values(LOST).reduce((sum, segments) => sum + segments, 0);
      await on.finds(`all of them with both ends, ${ip}`, total, async () => {
        return (await on.host.metrics()).sum(POD, {
          source_ip: new RegExp(`^(${on.pod('a')[ip]}|${on.pod('b')[ip]})$`),
        });
      });
    }
  },
});
