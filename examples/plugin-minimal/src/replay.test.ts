import { playPlugin } from '@retina/testkit';
import { expect, it } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/minimal.bin', import.meta.url);

it('counts the attempts that were recorded: 13 of one pod to another, seen on both their interfaces', async () => {
  const { metrics } = await playPlugin(plugin, RECORDING);
  // the interface of the recording is not here: names come from the host that runs now
  const by = metrics.by('direction', 'networkobservability_tcp_syns_total');
  expect(by).toEqual({ ingress: 13, egress: 13 });
});
