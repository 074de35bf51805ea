import { kernelChecks } from '@retina/testkit/kernels';
import { LOST, lossy, total } from './lossy.ts';

const SENT = 'networkobservability_tcp_retransmitted_segments_total';
const SPURIOUS = 'networkobservability_tcp_spurious_retransmissions_total';
const POD = 'networkobservability_adv_tcpretrans_count';

export default kernelChecks({
  options: { intervalMs: 200 },
  config: { enablePodLevel: true, remoteContext: true },
  async check(on) {
    const expected: Record<string, number> = {};
    let spurious = 0;
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const sent = await lossy(on.net, 'a', 'b', ip);
      for (const [kind, segments] of Object.entries(sent.kinds)) expected[kind] = (expected[kind] ?? 0) + segments;
      spurious += sent.spurious.client + sent.spurious.server;
      for (const [kind, segments] of Object.entries(LOST)) {
        on.holds(
          `the kernel sends again what is lost: ${kind}, ${ip}`,
          (sent.kinds[kind] ?? 0) >= segments,
          sent.kinds,
        );
      }
      await on.finds(`segments sent again, by kind, ${ip}`, expected, async () => {
        return (await on.host.metrics()).by('kind', SENT);
      });
      await on.finds(`segments that need not have been, ${ip}`, spurious, async () => {
        return (await on.host.metrics()).sum(SPURIOUS);
      });
      const ends = { client: total(sent.client), server: total(sent.server) };
      await on.finds(`all of them by the end that sends, ${ip}`, ends, async () => {
        const metrics = await on.host.metrics();
        const by = (pod: string) => metrics.sum(POD, { source_ip: on.pod(pod)[ip] });
        return { client: by('a'), server: by('b') };
      });
    }
  },
});
