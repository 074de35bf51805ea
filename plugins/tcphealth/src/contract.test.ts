import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/tcphealth.bin', import.meta.url),
  refused: [{ intervalMs: 1 }, { roundTripEveryMs: -1 }, { annotateFlows: 'yes' }, { maxPairs: 0 }],
});
