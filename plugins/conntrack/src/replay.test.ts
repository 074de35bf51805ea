import { setTimeout as sleep } from 'node:timers/promises';
import { readRecording, replay, runPlugin } from '@retina/testkit';
import { expect, it } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/conntrack.bin', import.meta.url);
const name = (key: string) => `networkobservability_conntrack_${key}`;

// the contract suite's traffic: five connections to a service whose backend is outside
it('shows what was recorded: the table, and the connections that were translated', async () => {
  const played = replay(readRecording(RECORDING));
  await using running = await runPlugin(plugin, { statesEverySeconds: 1 }, played);
  played.play();
  for (const end = Date.now() + 8000; Date.now() < end; await sleep(50)) {
    if (running.metrics.sum(name('translated_entries')) === 5) break;
  }
  const { metrics } = running;
  expect(metrics.one(name('translation_events_total'), { event: 'begun' })).toBe(5);
  expect(metrics.by('translation', name('translated_entries'))).toEqual({
    none: 0,
    source: 0,
    destination: 5,
    both: 0,
  });
  expect(metrics.by('state', name('state_entries'), { family: 'ipv4', protocol: 'TCP' })).toEqual({ TIME_WAIT: 5 });
  expect(metrics.one(name('entries'))).toBe(5);
  expect(metrics.one(name('entries_limit'))).toBe(262_144);
  expect(metrics.sum(name('bad_messages_total'))).toBe(0);
});
