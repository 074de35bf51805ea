import { playPlugin } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/tcphealth.bin', import.meta.url);
const PREFIX = 'networkobservability_tcp_';

// the contract suite's traffic: 5 connections over IPv4, 5 over IPv6 that are reset, 3 refused connects
describe('recorded connections', () => {
  it('become the node’s counters and histograms', async () => {
    const { metrics, flows } = await playPlugin(plugin, RECORDING);
    expect(metrics.one(`${PREFIX}connections_opened_total`)).toBe(10);
    expect(metrics.one(`${PREFIX}connections_accepted_total`)).toBe(10);
    expect(metrics.by('direction', `${PREFIX}connections_closed_total`)).toEqual({ egress: 10, ingress: 10 });
    expect(metrics.by('error', `${PREFIX}connections_failed_total`)).toEqual({ ECONNREFUSED: 3 });
    expect(metrics.by('by', `${PREFIX}connections_reset_total`)).toEqual({ local: 5, remote: 5 });
    for (const family of ['rtt', 'min_rtt', 'connection_setup', 'connection_duration']) {
      const counts = metrics.by('direction', `${PREFIX}${family}_seconds_count`);
      expect([family, counts]).toEqual([family, { egress: 10, ingress: 10 }]);
    }
    expect(metrics.sum(`${PREFIX}min_rtt_seconds_sum`)).toBeLessThanOrEqual(metrics.sum(`${PREFIX}rtt_seconds_sum`));
    expect(flows).toEqual([]); // other plugins' records say it
  });
});
