import { runPlugin } from '@retina/testkit';
import { expect, it, vi } from 'vitest';
import { plant } from '../test/plant.ts';
import plugin from './index.ts';

const metric = (name: string) => `networkobservability_infiniband_${name}`;

it('reports a RoCE node, one of its devices down', async () => {
  using tree = plant('roce');
  await using running = await runPlugin(plugin, { sysfsRoot: tree.root, hwCounters: true, intervalMs: 600_000 });
  await vi.waitFor(() => expect(running.metrics.one(metric('devices'))).toBe(2), { timeout: 10_000 });
  const { metrics } = running;
  const nonzero = metrics
    .select(metric('counter_stats'))
    .filter(({ value }) => value > 0)
    .map(({ labels, value }) => `${labels['device']}/${labels['port']} ${labels['statistic_name']} ${value}`);
  expect(nonzero.sort()).toEqual([
    'mlx4_0/1 link_downed 3',
    'mlx4_0/1 port_rcv_data 3',
    'mlx4_0/1 port_xmit_data 3',
    'mlx4_0/2 port_xmit_data 11',
    'mlx5_bond_0/1 local_ack_timeout_err 1',
    'mlx5_bond_0/1 np_cnp_sent 41',
    'mlx5_bond_0/1 np_ecn_marked_roce_packets 41',
    'mlx5_bond_0/1 out_of_buffer 7',
    'mlx5_bond_0/1 port_rcv_data 90210000000',
    'mlx5_bond_0/1 port_rcv_packets 1200300',
    'mlx5_bond_0/1 port_xmit_data 80110000000',
    'mlx5_bond_0/1 port_xmit_packets 1100300',
    'mlx5_bond_0/1 port_xmit_wait 12',
    'mlx5_bond_0/1 roce_adp_retrans 2',
    'mlx5_bond_0/1 rp_cnp_handled 40',
    'mlx5_bond_0/1 rx_write_requests 991',
    'mlx5_bond_0/1 unicast_rcv_packets 1200300',
    'mlx5_bond_0/1 unicast_xmit_packets 1100300',
  ]);
  // hw_counters: mlx4_0 has none; counters: words, an empty file, more than 64 bits
  expect(metrics.by('cause', metric('read_errors_total'))).toEqual({
    vanished: 0, unreadable: 0, not_a_number: 3, too_long: 0, too_many: 0,
  }); // prettier-ignore
});
