import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/dropreason.bin', import.meta.url),
  compatible: ['drop_count', 'drop_bytes', 'adv_drop_count', 'adv_drop_bytes'],
});
