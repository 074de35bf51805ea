import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/packetparser.bin', import.meta.url),
  compatible: [
    'adv_forward_count',
    'adv_forward_bytes',
    'adv_tcpflags_count',
    'conntrack_packets_tx',
    'conntrack_packets_rx',
    'conntrack_bytes_tx',
    'conntrack_bytes_rx',
    'conntrack_total_connections',
  ],
});
