import { connect, datagrams, kernelChecks } from '@retina/testkit/kernels';

const COUNT = 'networkobservability_drop_count';
const BYTES = 'networkobservability_drop_bytes';
const ETHERNET = 14;
/** Before this many arguments the tracepoint gives no reason, and the place of the drop stands for it. */
const WITH_REASON = 3;

export default kernelChecks({
  options: { netns: 'own' },
  pods: ['web'],
  async prepare(net) {
    await net.node.nft(`table inet drops {
 chain forward { type filter hook forward priority 0; udp dport 7000 drop; }
}
`);
  },
  async check(on) {
    const { host, net } = on;
    const how = on.kernel.tracepointArguments('kfree_skb') < WITH_REASON ? 'by the place of the drop' : undefined;
    let [packets, bytes] = [0, 0];
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const route = { source: net.outsideAddress[ip], destination: on.pod('web')[ip], port: 7000 };
      const plain = await datagrams(net.outside, { ...route, packets: 200, flows: 5 });
      const whole = await datagrams(net.outside, { ...route, packets: 40, size: 8000, segment: 800 });
      packets += plain.packets + whole.packets;
      bytes += plain.bytes + whole.bytes - (plain.packets + whole.packets) * ETHERNET;
      const labels = { reason: 'IPTABLE_RULE_DROP', direction: 'ingress' };
      const read = async () => {
        const metrics = await host.metrics();
        return { packets: metrics.sum(COUNT, labels), bytes: metrics.sum(BYTES, labels) };
      };
      await on.finds(`packets and bytes a firewall rule drops, GSO among them, ${ip}`, { packets, bytes }, read, how);
    }
    await on.finds('the same drops in flow records', packets, droppedInFlows(on.host, 'IPTABLE_RULE_DROP'), how);

    const closed = { port: 9, packets: 100, rate: 1000 };
    for (const ip of ['ipv4', 'ipv6'] as const) {
      await datagrams(net.outside, { source: net.outsideAddress[ip], destination: net.address[ip], ...closed });
    }
    const reason = { reason: 'NO_SOCKET', direction: 'ingress' };
    await on.finds(
      'datagrams without a socket, both families',
      200,
      async () => (await host.metrics()).sum(COUNT, reason),
      how,
    );

    for (const ip of ['ipv4', 'ipv6'] as const) {
      await connect(net.node, { destination: net.outsideAddress[ip], port: 9, packets: 10 });
    }
    const refused = { reason: 'TCP_CONNECT_BASIC', direction: 'egress' };
    await on.finds('connects that fail, both families', 20, async () => (await host.metrics()).sum(COUNT, refused));
  },
});

/** Asks for the packets dropped for a reason in all flow records so far. */
function droppedInFlows(
  host: { flows(): Promise<readonly { drop_reason_desc?: string; packets: number }[]> },
  reason: string,
) {
  let total = 0;
  return async () => {
    for (const flow of await host.flows()) if (flow.drop_reason_desc === reason) total += flow.packets;
    return total;
  };
}
