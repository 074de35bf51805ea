import { flowJson, type FlowJson, type FlowNames, type Host } from '@retina/core';
import type { ComponentHealth, Plugin } from '@retina/sdk';
import { MetricText, renderMetrics } from '../agent/metric-text.ts';
import { mustRun, startHost, stateOf } from '../contract/run-host.ts';
import { replay, type Replay } from './replay.ts';

/** A plugin under a real host in this process, and what came of it so far. */
export class RunningPlugin implements AsyncDisposable {
  /** Records it has emitted. */
  readonly flows: FlowJson[] = [];
  private readonly host: Host;
  private readonly name: string;

  constructor(host: Host, name: string) {
    this.host = host;
    this.name = name;
    const names: FlowNames = {
      endpoint: (id) => host.endpoints.byId(id),
      label: (id) => host.labelText(id),
      addressNames: (address) => host.names.of(address),
      translations: {
        of: (batch, row) => host.flows.translations.of(batch, row),
        endpoint: (words) => host.endpoints.byId(host.endpoints.find(...words)),
      },
    };
    host.flows.addSink('test', (batch) => {
      for (let row = 0; row < batch.length; row++) this.flows.push(flowJson(batch, row, names));
    });
  }

  /** From now on only pods with one of these addresses are reported, as where annotations choose them. */
  choose(addresses: readonly string[]): void {
    const { host } = this;
    const chosen = host.endpoints.provider(8);
    for (const address of addresses) {
      chosen.put({
        key: address,
        kind: 'pod',
        namespace: 'chosen',
        name: address,
        addresses: [address],
        observed: true,
      });
    }
    host.overridePods({ chosen: true });
  }

  /** Every family as it is now. */
  get metrics(): MetricText {
    return new MetricText(renderMetrics(this.host.metrics));
  }

  get health(): ComponentHealth {
    return stateOf(this.host, 'plugin', this.name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.host.stop();
  }
}

/**
 * Starts a plugin under a real host in this process: for what it reads from sockets and files. Needs no rights; the kernel is
 * `played`, by default one without anything. Throws unless the plugin runs, if degraded.
 */
export async function runPlugin(
  plugin: Plugin,
  options: Readonly<Record<string, unknown>> = {},
  played: Replay = replay(),
): Promise<RunningPlugin> {
  const host = await startHost({ plugins: [[plugin, options]], loader: played.loader });
  try {
    mustRun(host, 'plugin', plugin.name);
    return new RunningPlugin(host, plugin.name);
  } catch (error) {
    await host.stop();
    throw error;
  }
}
