import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/packetforward.bin', import.meta.url),
  compatible: ['forward_count', 'forward_bytes'],
});
