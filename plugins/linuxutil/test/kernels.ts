import { datagrams, kernelChecks } from '@retina/testkit/kernels';

const PREFIX = 'networkobservability_';
/** Listens, connects to itself so many times, and holds both ends. */
const HOLDER = `
const net = require('node:net');
const [address, count] = process.argv.slice(1);
net.createServer((socket) => socket.resume()).listen({ host: address, port: 5000 }, async () => {
  for (let i = 0; i < Number(count); i++)
    await new Promise((resolve) => net.connect({ host: address, port: 5000 }, resolve));
  console.log('holds');
});`;

export default kernelChecks({
  options: { intervalMs: 300, perInterface: true },
  pods: [],
  async check(on) {
    const { node, outside } = on.net;
    const { ipv4, ipv6 } = on.net.address;
    await using four = node.spawn(process.execPath, ['-e', HOLDER, ipv4, '40']);
    await using six = node.spawn(process.execPath, ['-e', HOLDER, ipv6, '25']);
    await four.output(/holds/, 60_000);
    await six.output(/holds/, 60_000);
    const states = async () => {
      const metrics = await on.host.metrics();
      const of = (family: string) => metrics.by('state', `${PREFIX}tcp_sockets`, { family });
      return ['ipv4', 'ipv6'].map((family) => [of(family)['ESTABLISHED'], of(family)['LISTEN']]);
    };
    await on.finds('TCP sockets by state and family', [[80, 1], [50, 1]], states); // prettier-ignore
    four.kill('SIGKILL');
    await on.finds('zero when they are gone', [0, 0], async () => (await states())[0]);

    for (const ip of ['ipv4', 'ipv6'] as const) {
      await datagrams(outside, { source: on.net.outsideAddress[ip], destination: on.net.address[ip], port: 9, packets: 50, rate: 500 }); // prettier-ignore
    }
    const counter = async (protocol: string) =>
      (await on.host.metrics()).one(`${PREFIX}protocol_stats_total`, { protocol, statistic_name: 'NoPorts' });
    await on.finds('datagrams without a socket, both families', [50, 50], async () => [
      await counter('Udp'),
      await counter('Udp6'),
    ]);
    await on.finds("a driver's statistics", true, async () => {
      const statistics = (await on.host.metrics()).select(`${PREFIX}interface_stats`, { interface_name: 'eth0' });
      return statistics.length > 0;
    });
    await on.finds('nothing unreadable', 0, async () => (await on.host.metrics()).sum(`${PREFIX}linuxutil_read_errors_total`)); // prettier-ignore
  },
});
