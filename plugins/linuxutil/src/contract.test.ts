import { setTimeout as sleep } from 'node:timers/promises';
import { connect, pluginContract, serve } from '@retina/testkit';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/linuxutil.bin', import.meta.url),
  options: { intervalMs: 500, remotes: 10, perInterface: true, excludeInterfaces: ['lo'] },
  refused: [{ intervalMs: 1 }, { remotes: 1001 }, { moreStatistics: ['Tcp'] }, { procNet: 'net' }],
  compatible: ['tcp_connection_stats', 'ip_connection_stats', 'interface_stats'],
  // the node itself opens connections and closes them: they linger there in TIME_WAIT
  async traffic(net) {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const servers = [await serve(net.node, 'accept', { source: '::', port: 7000 })];
    for (const { namespace } of [a, b]) servers.push(await serve(namespace, 'accept', { source: '::', port: 80 }));
    await connect(net.node, { destination: a.ipv4, port: 80, packets: 7, size: 100 });
    await connect(net.node, { destination: b.ipv4, port: 80, packets: 4, size: 100 });
    await connect(net.node, { destination: b.ipv6, port: 80, packets: 5, size: 100 });
    await sleep(1500);
    for (const server of servers) await server.stop();
  },
});
