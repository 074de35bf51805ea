import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  options: { intervalMs: 100 },
  refused: [{ intervalMs: 1 }, { sysfsRoot: 'sys' }, { interfacePrefix: '' }],
  compatible: ['infiniband_counter_stats', 'infiniband_status_params'],
});
