import { playPlugin } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import { LOST } from '../test/lossy.ts';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/tcpretrans.bin', import.meta.url);
const SENT = 'networkobservability_tcp_retransmitted_segments_total';
const SPURIOUS = 'networkobservability_tcp_spurious_retransmissions_total';

// the contract suite's traffic: connections that lose one packet each, over IPv4 and IPv6
describe('recorded retransmissions', () => {
  it('become node totals by kind', async () => {
    const { metrics, flows } = await playPlugin(plugin, RECORDING);
    const twice = Object.fromEntries(Object.entries(LOST).map(([kind, segments]) => [kind, 2 * segments]));
    expect(metrics.by('kind', SENT)).toEqual(twice);
    expect(metrics.one(SPURIOUS)).toBe(2);
    expect(flows).toEqual([]); // other plugins' records have them
  });

  it('become flow records with both ends when asked to', async () => {
    const { flows } = await playPlugin(plugin, RECORDING, { flowRecords: true });
    expect(flows.length).toBe(12);
    expect(new Set(flows.map(({ IP }) => IP.ipVersion))).toEqual(new Set(['IPv4', 'IPv6']));
    expect(flows.every(({ packets }) => packets === 0)).toBe(true);
  });
});
