import { pluginContract } from '@retina/testkit';
import plugin from './index.ts';

// RETINA_RECORD=1 and root write the recording anew.
pluginContract(plugin, {
  module: import.meta.resolve('./index.ts'),
  recording: new URL('../fixtures/apiserverlatency.bin', import.meta.url),
  refused: [{ noResponseMs: 1 }, { maxConnections: 0 }, { intervalMs: 1 }],
  compatible: [
    'adv_node_apiserver_latency',
    'adv_node_apiserver_tcp_handshake_latency',
    'adv_node_apiserver_no_response',
  ],
});
