import { playPlugin } from '@retina/testkit';
import { expect, it } from 'vitest';
import plugin from './index.ts';

it('counts what was recorded: five connections of each family, both ends of each on this node', async () => {
  const { metrics } = await playPlugin(plugin, new URL('../fixtures/recording.bin', import.meta.url));
  const seen = (family: string, role: string) =>
    metrics.sum('networkobservability_my_thing_connections_total', { family, role });
  expect([seen('ipv4', 'client'), seen('ipv4', 'server')]).toEqual([5, 5]);
  expect([seen('ipv6', 'client'), seen('ipv6', 'server')]).toEqual([5, 5]);
});
