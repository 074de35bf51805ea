import { pluginContract } from '@retina/testkit';
import plugin from './syns-per-pod.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./syns-per-pod.ts'),
  recording: new URL('../fixtures/syns.bin', import.meta.url),
  refused: [{ intervalMs: 1 }],
});
