import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  options: { intervalMs: 100, remotes: 10, perInterface: true, excludeInterfaces: [] },
  refused: [{ intervalMs: 1 }, { remotes: 1001 }, { moreStatistics: ['Tcp'] }, { procNet: 'net' }],
  compatible: ['tcp_connection_stats', 'ip_connection_stats', 'interface_stats'],
});
