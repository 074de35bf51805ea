import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  options: { intervalSeconds: 0.1 },
  refused: [{ intervalSeconds: 0 }, { file: '' }, { fiel: '/proc/net/sockstat' }],
});
