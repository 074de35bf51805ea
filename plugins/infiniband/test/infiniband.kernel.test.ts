import { rmSync } from 'node:fs';
import { AgentProcess, type MetricText, World } from '@retina/testkit';
import { describe, expect, it, vi } from 'vitest';
import { plant } from './plant.ts';

const PLUGIN = new URL('../src/index.ts', import.meta.url).pathname;
const AGENT = new URL('../../../packages/agent/src/main.ts', import.meta.url);
const COUNTER = 'networkobservability_infiniband_counter_stats';
const PARAMETER = 'networkobservability_infiniband_status_params';
const ERRORS = 'networkobservability_infiniband_read_errors_total';

// The namespace keeps the agent's port to itself; nothing of the kernel's is read.
const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

kernel('infiniband in an agent', () => {
  it('shows what the devices say, also after a reload, and ends what vanished', async () => {
    await using world = await World.create('infiniband');
    using tree = plant('infiniband');
    const config = (more: object = {}) => ({
      plugins: { [PLUGIN]: { intervalMs: 100, sysfsRoot: tree.root, ...more } },
      exporters: { prometheus: {} },
    });
    await using agent = await AgentProcess.start({ in: await world.namespace('node'), entry: AGENT, config: config() });
    const until = (check: (metrics: MetricText) => void) =>
      vi.waitFor(async () => check(await agent.metrics()), { timeout: 10_000, interval: 50 });
    const port = { device: 'mlx5_0', port: '1' };

    await until((metrics) => {
      expect(metrics.select(COUNTER)).toHaveLength(42);
      expect(metrics.one(COUNTER, { ...port, statistic_name: 'port_rcv_data' })).toBe(2 ** 64);
      expect(metrics.one(COUNTER, { ...port, statistic_name: 'link_downed' })).toBe(2);
      expect(metrics.one(PARAMETER, { interface_name: 'ib1', statistic_name: 'lro_timeout' })).toBe(64);
    });
    const packets = { ...port, statistic_name: 'port_rcv_packets' };
    tree.set('class/infiniband/mlx5_0/ports/1/counters/port_rcv_packets', '81239120431\n');
    await until((metrics) => expect(metrics.one(COUNTER, packets)).toBe(81_239_120_431));

    // a reload reads the device's totals anew, and must not add them a second time
    agent.configure(config({ hwCounters: true }));
    agent.running.kill('SIGHUP');
    await until((metrics) => {
      expect(metrics.one(COUNTER, { ...port, statistic_name: 'rx_write_requests' })).toBe(77_120);
      expect(metrics.one(COUNTER, packets)).toBe(81_239_120_431);
    });

    rmSync(tree.at('class/net/ib1'));
    rmSync(tree.at('devices/pci0000:41'), { recursive: true });
    await until((metrics) => {
      expect(metrics.select(PARAMETER, { interface_name: 'ib1' })).toEqual([]);
      expect(metrics.one(ERRORS, { cause: 'vanished' })).toBeGreaterThan(0);
      expect(metrics.one('networkobservability_infiniband_devices')).toBe(2);
    });
  });
});
