import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  refused: [{ intervalMs: 10 }, { warnAtRatio: 2 }, { translations: 'yes' }],
});
