import { connect, kernelChecks, type KernelRun, serve, type Server } from '@retina/testkit/kernels';

const name = (key: string) => `networkobservability_conntrack_${key}`;
const SERVICES = { ipv4: '10.96.0.1', ipv6: 'fd00:96::1' } as const;
const PORT = 8080;
const CONNECTIONS = 20;

export default kernelChecks({
  options: { intervalMs: 500, statesEverySeconds: 1 },
  pods: ['a'],
  /** A service of each family whose backend is outside; and a source NAT that has room for one connection to each place. */
  async prepare(net) {
    await net.node.nft(`table ip svc {
 chain pre { type nat hook prerouting priority -100; ip daddr ${SERVICES.ipv4} tcp dport 80 dnat to ${net.outsideAddress.ipv4}:${PORT}; }
 chain post { type nat hook postrouting priority 100; udp dport 5555 snat to ${net.address.ipv4}:6000; }
}
table ip6 svc {
 chain pre { type nat hook prerouting priority -100; ip6 daddr ${SERVICES.ipv6} tcp dport 80 dnat to [${net.outsideAddress.ipv6}]:${PORT}; }
}
`);
  },
  async check(on) {
    const { host, net } = on;
    const sum = (key: string, labels = {}) => async () => (await host.metrics()).sum(name(key), labels);
    const servers: Server[] = [];
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const server = await serve(net.outside, 'accept', { source: net.outsideAddress[ip], port: PORT });
      await connect(on.pod('a').namespace, { destination: SERVICES[ip], port: 80, packets: CONNECTIONS, size: 100 });
      servers.push(server); // one that ends now might reset the last connection, whose entry would not wait
    }
    const all = 2 * CONNECTIONS;
    await on.finds('translated connections, both families', all, sum('translation_events_total', { event: 'begun' }));
    await on.finds('none of them lost', 0, sum('translation_events_lost_total'));
    await on.finds('entries by state', all, sum('state_entries', { protocol: 'TCP', state: 'TIME_WAIT' }));
    await on.finds('entries with a translated destination', all, sum('translated_entries', { translation: 'destination' }));
    for (const server of servers) await server.stop();
    await refused(on, sum);
  },
}); // prettier-ignore

/** Sends that the source NAT has no port for: all but the first. */
async function refused(on: KernelRun, sum: (key: string) => () => Promise<number>): Promise<void> {
  const { node, outsideAddress } = on.net;
  const script = `for i in {1..30}; do echo > /dev/udp/${outsideAddress.ipv4}/5555; done 2>&-; true`;
  await node.exec('bash', ['-c', script]);
  await on.finds('insertions that fail', 29, sum('insert_failed_total'));
}
