import { datagrams, kernelChecks } from '@retina/testkit/kernels';

const COUNT = 'networkobservability_forward_count';
const BYTES = 'networkobservability_forward_bytes';

export default kernelChecks({
  options: { intervalMs: 100 },
  async check(on) {
    const { net } = on;
    let [packets, bytes] = [0, 0];
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const route = { source: net.outsideAddress[ip], destination: on.pod('a')[ip], port: 9 };
      const plain = await datagrams(net.outside, { ...route, packets: 300, flows: 10 });
      const whole = await datagrams(net.outside, { ...route, packets: 40, size: 8000, segment: 800 });
      packets += plain.packets + whole.packets;
      bytes += plain.bytes + whole.bytes;
      await on.finds(`packets and bytes, GSO among them, ${ip}`, { packets, bytes }, async () => {
        const metrics = await on.host.metrics();
        const ingress = { direction: 'ingress' };
        return { packets: metrics.sum(COUNT, ingress), bytes: metrics.sum(BYTES, ingress) };
      });
    }
  },
});
