import { playPlugin } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/dropreason.bin', import.meta.url);
const COUNT = 'networkobservability_drop_count';

// the contract suite's traffic: 20 datagrams into a rule, 3 refused connects, 20 datagrams to a port nobody listens on
describe('recorded drops', () => {
  it('become node totals with the recorded kernel’s names', async () => {
    const { metrics } = await playPlugin(plugin, RECORDING);
    expect(metrics.one(COUNT, { reason: 'IPTABLE_RULE_DROP', direction: 'ingress' })).toBe(20);
    expect(metrics.one(COUNT, { reason: 'TCP_CONNECT_BASIC', direction: 'egress' })).toBe(3);
    expect(metrics.one(COUNT, { reason: 'NO_SOCKET', direction: 'ingress' })).toBe(23);
  });

  it('become flow records with both ends', async () => {
    const { flows } = await playPlugin(plugin, RECORDING);
    const ruled = flows.filter((flow) => flow.drop_reason_desc === 'IPTABLE_RULE_DROP');
    expect(ruled.reduce((sum, flow) => sum + flow.packets, 0)).toBe(20);
    expect(ruled[0]).toMatchObject({
      verdict: 'DROPPED',
      traffic_direction: 'INGRESS',
      l4: { UDP: { destination_port: 7777 } },
    });
  });
});
