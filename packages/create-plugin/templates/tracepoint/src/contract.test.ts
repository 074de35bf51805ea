import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

// Replays fixtures/recording.bin. As root it also runs on this kernel; with RETINA_RECORD=1 (npm run record) that writes the recording.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/recording.bin', import.meta.url),
  refused: [{ intervalMs: 1 }, { intervalMs: 'often' }],
});
