import { playPlugin } from '@retina/testkit';
import { expect, it } from 'vitest';
import plugin from './index.ts';

it('counts what was recorded: ten connections, both ends of each on this node', async () => {
  const { metrics } = await playPlugin(plugin, new URL('../fixtures/recording.bin', import.meta.url));
  const seen = metrics.by('role', 'networkobservability_my_thing_connections_total');
  expect(seen).toEqual({ client: 10, server: 10 });
});
