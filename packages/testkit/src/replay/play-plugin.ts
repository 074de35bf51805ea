import type { FlowJson } from '@retina/core';
import type { Plugin } from '@retina/sdk';
import type { MetricText } from '../agent/metric-text.ts';
import { readRecording } from './recording.ts';
import { replay } from './replay.ts';
import { runPlugin } from './run-plugin.ts';

export interface Played {
  /** Every family after the last batch. */
  readonly metrics: MetricText;
  readonly flows: readonly FlowJson[];
}

/**
 * Plays a recording through a plugin under a real host; needs no rights. What a plugin reads by a timer is not in it. `chosen`:
 * only pods with one of these addresses are reported.
 */
export async function playPlugin(
  plugin: Plugin,
  recording: URL,
  options: Readonly<Record<string, unknown>> = {},
  chosen?: readonly string[],
): Promise<Played> {
  const played = replay(readRecording(recording));
  await using running = await runPlugin(plugin, options, played);
  if (chosen) running.choose(chosen);
  played.play();
  return { metrics: running.metrics, flows: running.flows };
}
