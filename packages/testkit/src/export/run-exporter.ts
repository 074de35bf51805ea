import type { Host } from '@retina/core';
import type { ComponentHealth, Exporter } from '@retina/sdk';
import { MetricText, renderMetrics } from '../agent/metric-text.ts';
import { countedSource } from '../contract/contract-source.ts';
import { mustRun, startHost, stateOf } from '../contract/run-host.ts';
import { replay } from '../replay/replay.ts';

/** An exporter under a real host in this process, what it is given and what came of it so far. */
export class RunningExporter implements AsyncDisposable {
  private readonly host: Host;
  private readonly name: string;
  private readonly give: (records: number) => void;

  constructor(host: Host, name: string, give: (records: number) => void) {
    this.host = host;
    this.name = name;
    this.give = give;
  }

  /** So many ordinary flow records come, each unlike every other. */
  emit(records: number): void {
    this.give(records);
  }

  /** Every family as it is now, the host's counts of deliveries (`retina_export_…`) among them. */
  get metrics(): MetricText {
    return new MetricText(renderMetrics(this.host.metrics));
  }

  /** Its state and why: what `/healthz` and `retina status` show. */
  get health(): ComponentHealth {
    return this.stateOf(this.name);
  }

  /** The same of one that runs beside it. */
  stateOf(name: string): ComponentHealth {
    return stateOf(this.host, 'exporter', name);
  }

  /** Waits as long as it takes to see the end of what is under way, as the agent's end does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.host.stop();
  }
}

/**
 * Starts an exporter under a real host in this process, with the options that the host reads (`push`, …) among its own, and others
 * `beside` it that must not notice what becomes of it. Throws unless it runs, if degraded.
 */
export async function runExporter(
  exporter: Exporter,
  options: Readonly<Record<string, unknown>> = {},
  beside: readonly Exporter[] = [],
): Promise<RunningExporter> {
  const source = countedSource();
  const host = await startHost({
    plugins: [[source.plugin, {}]],
    exporters: [[exporter, options], ...beside.map((one) => [one, {}] as const)],
    loader: replay().loader,
  });
  try {
    mustRun(host, 'exporter', exporter.name);
    return new RunningExporter(host, exporter.name, (records) => source.emit(records));
  } catch (error) {
    await host.stop();
    throw error;
  }
}
