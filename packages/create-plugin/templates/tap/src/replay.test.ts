import { playPlugin } from '@retina/testkit';
import { expect, it } from 'vitest';
import plugin from './index.ts';

it('counts what was recorded: five connections ended by a reset, three refused, seen on both pods', async () => {
  const { metrics } = await playPlugin(plugin, new URL('../fixtures/recording.bin', import.meta.url));
  // The interfaces of the recording are not here, so all of them are "unknown".
  const seen = metrics.by('direction', 'networkobservability_my_thing_resets_total');
  expect(seen).toEqual({ ingress: 8, egress: 8 });
});
