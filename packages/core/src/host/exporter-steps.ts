import type { Exporter, FlowReader, Health, HostFacts } from '@retina/sdk';
import { parseOptions } from '../config/options.ts';
import type { ComponentConfig } from '../config/schema.ts';
import type { FlowPipeline } from '../flows/pipeline.ts';
import type { EndpointTable } from '../identity/table.ts';
import type { MetricStore } from '../metrics/store.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import type { ComponentSteps } from './run.ts';
import { PushDriver, type PushLimits } from './push.ts';

export interface ExporterServices {
  readonly store: MetricStore;
  readonly endpoints: EndpointTable;
  readonly pipeline: FlowPipeline;
  readonly metrics: AgentMetrics;
  readonly facts: HostFacts;
  readonly flows: FlowReader;
  health(): Health;
  /** Milliseconds that are left when an exporter is stopped. */
  flushMs(): number;
}

/** The life of an exporter, in the terms of the component runner. */
export function exporterSteps(
  name: string,
  config: ComponentConfig,
  limits: PushLimits,
  load: () => Promise<Exporter>,
  services: ExporterServices,
): ComponentSteps<Exporter> {
  const { store, endpoints, pipeline, metrics } = services;
  return {
    load,
    validate: (exporter) => void parseOptions(name, exporter.config, config),
    probe: () => [],
    async setup(exporter, run) {
      const { scope } = run;
      const sink = await exporter.setup({
        signal: scope.signal,
        log: scope.log,
        use: (resource) => scope.use(resource),
        defer: (release) => scope.defer(release),
        every: (ms, task) => scope.every(ms, task),
        degrade: (cause) => scope.degrade(cause),
        config: Object.freeze(parseOptions(name, exporter.config, config)),
        instance: name,
        host: services.facts,
        metrics: store,
        endpoints,
        flows: services.flows,
        labelText: (id) => store.labels.text(id),
        health: () => services.health(),
        serves: (url) => run.serves(url),
      });
      if (!sink || scope.ended) return;
      const driver = new PushDriver(sink, store, limits, scope.log, {
        lost: (stage, records) => metrics.lost(stage, exporter.name, records),
        state: (cause) => run.condition('export', cause),
      });
      scope.defer(function lastDelivery() {
        return driver.stop(services.flushMs());
      });
      if (sink.flows) scope.use(pipeline.addSink(exporter.name, (batch) => driver.flows(batch)));
    },
  };
}
