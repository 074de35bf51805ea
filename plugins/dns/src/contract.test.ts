import { setTimeout as sleep } from 'node:timers/promises';
import { type KernelTraffic, pluginContract } from '@retina/testkit';
import { askDns, names, serveDns } from '../test/world.ts';
import plugin from './index.ts';

/** 12 queries of one pod to another over UDP, of which 2 are never answered, and 5 over TCP. */
const traffic: KernelTraffic = async (net) => {
  const [client, server] = [net.pod('a').namespace, net.pod('b')];
  const dns = await serveDns(server.namespace);
  const udp = [...names('a', 6), ...names('nx', 2), 'cut.example.com', 'chain.example.com', ...names('drop', 2)];
  await askDns(client, { server: server.ipv4, protocol: 'udp', names: udp, waitMs: 300 });
  await askDns(client, { server: server.ipv6, protocol: 'tcp', names: names('a', 5), pieces: 60 });
  await dns.stop();
  await sleep(200);
};

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/dns.bin', import.meta.url),
  traffic,
  compatible: ['dns_request_count', 'dns_response_count', 'adv_dns_request_count', 'adv_dns_response_count'],
  refused: [{ ports: [] }, { ports: [1, 2, 3, 4, 5] }, { ports: [0] }, { readMs: 101 }, { ringBytes: 100_000 }, { queryLabels: { mode: 'all' } }],
}); // prettier-ignore
