import { connect, kernelChecks, serve } from '@retina/testkit/kernels';

const SYNS = 'networkobservability_tcp_syns_total';

export default kernelChecks({
  options: { intervalMs: 100 },
  async check(on) {
    const { net } = on;
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const server = await serve(net.outside, 'accept', { source: net.outsideAddress[ip], port: 80 });
      await connect(on.pod('a').namespace, { destination: net.outsideAddress[ip], port: 80, packets: 20, size: 100 });
      await server.stop();
    }
    await on.finds('connection attempts of both families at each interface', [40, 40], async () => {
      const metrics = await on.host.metrics();
      const seen = (labels: Record<string, string>) => metrics.sum(SYNS, labels);
      return [seen({ interface: 'vetha', direction: 'ingress' }), seen({ interface: 'eth0', direction: 'egress' })];
    });
  },
});
