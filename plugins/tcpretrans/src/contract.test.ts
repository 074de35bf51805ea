import { setTimeout as sleep } from 'node:timers/promises';
import { pluginContract } from '@retina/testkit';
import { lossy } from '../test/lossy.ts';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/tcpretrans.bin', import.meta.url),
  compatible: ['adv_tcpretrans_count'],
  refused: [{ intervalMs: 1 }, { maxFlows: 0 }, { flowRecords: 'yes' }],
  traffic: async (net) => {
    await lossy(net, 'a', 'b', 'ipv4');
    await lossy(net, 'b', 'a', 'ipv6');
    await sleep(1200); // longer than the interval at which the table is reported
  },
});
