import { playPlugin } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/dropreason.bin', import.meta.url);
const COUNT = 'networkobservability_drop_count';

// the contract suite's traffic: 20 datagrams into a rule, 3 refused connects; what is dropped outside is another node's
describe('recorded drops', () => {
  it('become node totals with the recorded kernel’s names', async () => {
    const { metrics } = await playPlugin(plugin, RECORDING);
    expect(metrics.one(COUNT, { reason: 'IPTABLE_RULE_DROP', direction: 'ingress' })).toBe(20);
    expect(metrics.one(COUNT, { reason: 'TCP_CONNECT_BASIC', direction: 'egress' })).toBe(3);
    expect(metrics.one(COUNT, { reason: 'NO_SOCKET', direction: 'ingress' })).toBe(3);
    // the recording has no names of places
    const rule = { reason: 'IPTABLE_RULE_DROP', location: 'unknown' };
    expect(metrics.one('networkobservability_drop_location_packets_total', rule)).toBe(20);
  });

  it('become flow records with both ends', async () => {
    const { flows } = await playPlugin(plugin, RECORDING);
    const ruled = flows.filter((flow) => flow.drop_reason_desc === 'IPTABLE_RULE_DROP' && !flow.packet);
    expect(ruled.reduce((sum, flow) => sum + flow.packets, 0)).toBe(20);
    expect(ruled[0]).toMatchObject({
      verdict: 'DROPPED',
      traffic_direction: 'INGRESS',
      l4: { UDP: { destination_port: 7777 } },
    });
  });

  it('come with the headers of some of them, which count nothing', async () => {
    const { flows, metrics } = await playPlugin(plugin, RECORDING);
    const samples = flows.filter(({ packet }) => packet);
    expect(samples.length).toBeGreaterThan(0);
    expect(samples.length).toBeLessThan(20);
    for (const { packets, verdict } of samples)
      expect({ packets, verdict }).toEqual({ packets: 0, verdict: 'DROPPED' });
    const [ruled] = samples.filter((flow) => flow.drop_reason_desc === 'IPTABLE_RULE_DROP');
    // IPv4 and UDP headers, no payload: to port 7777
    expect(ruled!.packet).toMatch(/^45.{42}1e61.{8}$/);
    const taken = metrics.one('networkobservability_drop_samples_total', { outcome: 'shown' });
    expect(taken).toBe(samples.length);
  });
});
