import { connect, kernelChecks, serve } from '@retina/testkit/kernels';
import { connects } from './client.ts';

const POD = 'networkobservability_adv_tcp_';
const COUNT = 50;

export default kernelChecks({
  options: { intervalMs: 200, roundTripEveryMs: 200 },
  config: { enablePodLevel: true, remoteContext: true },
  async check(on) {
    const [a, b] = [on.pod('a'), on.pod('b')];
    const sum = async (family: string, match: Record<string, string> = {}) =>
      (await on.host.metrics()).sum(`${POD}${family}`, match);
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const ends = { source_ip: a[ip], destination_ip: b[ip] };
      const server = await serve(b.namespace, 'accept', { source: b[ip], port: 80 });
      await connect(a.namespace, { destination: b[ip], port: 80, packets: COUNT, size: 1000 });
      await connect(a.namespace, { destination: b[ip], port: 80, packets: 7, size: 100, reset: true });
      await connect(a.namespace, { destination: b[ip], port: 9, packets: 5 });
      const made = COUNT + 7;
      await on.finds(`connections opened, ${ip}`, made, () => sum('connections_opened_total', ends));
      await on.finds(`connections accepted, ${ip}`, made, () => sum('connections_accepted_total', ends));
      await on.finds(`refused, ${ip}`, 5, () => sum('connections_failed_total', { ...ends, error: 'ECONNREFUSED' }));
      await on.finds(`reset by who sends it, ${ip}`, 7, () => sum('connections_reset_total', { ...ends, by: 'local' }));
      await on.finds(`reset by the other end, ${ip}`, 7, () =>
        sum('connections_reset_total', { ...ends, by: 'remote' }),
      );
      for (const family of ['rtt', 'min_rtt', 'connection_setup', 'connection_duration']) {
        const both = () => sum(`${family}_seconds_count`, ends);
        if (family.startsWith('connection')) await on.finds(`${family} at both ends, ${ip}`, 2 * made, both);
        else on.holds(`${family} at both ends, ${ip}`, (await both()) >= 2 * made, await both());
      }
      const read = async () => {
        const metrics = await on.host.metrics();
        const count = (family: string) => metrics.sum(`${POD}${family}_seconds_count`, ends);
        return { rtt: count('rtt'), ended: count('connection_duration') };
      };
      const before = await read();
      const open = connects(a.namespace, { host: b[ip], port: 80, count: 1, holdMs: 12_000, bytes: 100 });
      await on.finds(`round trips of an open connection, ${ip}`, true, async () => {
        const { rtt, ended } = await read();
        return rtt > before.rtt && ended === before.ended;
      });
      await open;
      await server.stop();
    }
  },
});
