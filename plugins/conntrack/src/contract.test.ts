import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type KernelTraffic, pluginContract, serve } from '@retina/testkit';
import plugin from './index.ts';

/** Five connections to a service whose backend is outside. */
const traffic: KernelTraffic = async (net) => {
  const { node, outside, outsideAddress } = net;
  await node.nft(`table ip svc {
 chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 tcp dport 80 dnat to ${outsideAddress.ipv4}:8080; }
}
`);
  const server = await serve(outside, 'accept', { source: outsideAddress.ipv4, port: 8080 });
  await connect(net.pod('a').namespace, { destination: '10.96.0.1', port: 80, packets: 5, size: 100 });
  await server.stop();
  await sleep(2500);
};

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/conntrack.bin', import.meta.url),
  options: { statesEverySeconds: 1 },
  traffic,
  refused: [{ intervalMs: 10 }, { warnAtRatio: 2 }, { translations: 'yes' }],
});
