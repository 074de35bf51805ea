import { readRecording, replay, runPlugin } from '@retina/testkit';
import { expect, it, vi } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/linuxutil.bin', import.meta.url);
const metric = (name: string) => `networkobservability_${name}`;

it('reports what was recorded of a node that had opened and closed 16 connections', async () => {
  const procNet = new URL('../fixtures/net', import.meta.url).pathname;
  const options = { intervalMs: 100, procNet, perInterface: true, remotes: 2, excludeInterfaces: ['lo'] };
  await using running = await runPlugin(plugin, options, replay(readRecording(RECORDING)));
  const shown = () => {
    const { metrics } = running;
    return {
      states: metrics.by('state', metric('tcp_state')),
      waiting: metrics.by('family', metric('tcp_sockets'), { state: 'TIME_WAIT' }),
      remotes: metrics.by('address', metric('tcp_connection_remote')),
      interfaces: Object.keys(metrics.by('interface_name', metric('interface_stats'))).sort(),
      unsupported: metrics.one(metric('linuxutil_unsupported_interfaces')),
      segments: metrics.one(metric('protocol_stats_total'), { protocol: 'Tcp', statistic_name: 'RetransSegs' }),
      errors: metrics.sum(metric('linuxutil_read_errors_total')),
    };
  };
  const none = { SYN_SENT: 0, SYN_RECV: 0, FIN_WAIT1: 0, FIN_WAIT2: 0, CLOSE_WAIT: 0, LAST_ACK: 0, CLOSING: 0 };
  await vi.waitFor(() =>
    expect(shown()).toEqual({
      states: { ...none, ESTABLISHED: 0, LISTEN: 1, TIME_WAIT: 16 },
      waiting: { ipv4: 11, ipv6: 5 },
      remotes: { AllIPs: 16, '10.244.0.10': 7, 'fd00:244::b': 5, other: 4 },
      interfaces: ['all_interfaces', 'eth0', 'vetha', 'vethb'],
      unsupported: 1, // the bridge
      segments: 1611,
      errors: 0,
    }), { timeout: 10_000 },
  ); // prettier-ignore
});
