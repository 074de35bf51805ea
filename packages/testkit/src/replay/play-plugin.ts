import { flowJson, type FlowJson, type FlowNames } from '@retina/core';
import type { Plugin } from '@retina/sdk';
import { MetricText, renderMetrics } from '../agent/metric-text.ts';
import { mustRun, startHost } from '../contract/run-host.ts';
import { readRecording } from './recording.ts';
import { replay } from './replay.ts';

export interface Played {
  /** Every family after the last batch. */
  readonly metrics: MetricText;
  readonly flows: readonly FlowJson[];
}

/** Plays a recording through a plugin under a real host; needs no rights. What a plugin reads by a timer is not in it. */
export async function playPlugin(
  plugin: Plugin,
  recording: URL,
  options: Readonly<Record<string, unknown>> = {},
): Promise<Played> {
  const played = replay(readRecording(recording));
  const host = await startHost({ plugins: [[plugin, options]], loader: played.loader });
  const flows: FlowJson[] = [];
  const names: FlowNames = {
    endpoint: (id) => host.endpoints.byId(id),
    label: (id) => host.labelText(id),
    addressNames: (address) => host.names.of(address),
    translations: {
      of: (batch, row) => host.flows.translations.of(batch, row),
      endpoint: (words) => host.endpoints.byId(host.endpoints.find(...words)),
    },
  };
  host.flows.addSink('play', (batch) => {
    for (let row = 0; row < batch.length; row++) flows.push(flowJson(batch, row, names));
  });
  try {
    mustRun(host, 'plugin', plugin.name);
    played.play();
    return { metrics: new MetricText(renderMetrics(host.metrics)), flows };
  } finally {
    await host.stop();
  }
}
