import type { Exporter, FlowBatch, FlowReader, Health, HostFacts } from '@retina/sdk';
import { parseOptions } from '../config/options.ts';
import type { ComponentConfig } from '../config/schema.ts';
import type { ExportMetrics } from '../export/export-metrics.ts';
import { FlowRules } from '../export/flow-rules.ts';
import { instanceOf } from '../export/instance.ts';
import { pushLimits, type PushLimits } from '../export/limits.ts';
import { MetricView } from '../export/metric-view.ts';
import { PushDriver } from '../export/push.ts';
import type { FlowPipeline } from '../flows/pipeline.ts';
import type { EndpointTable } from '../identity/table.ts';
import type { MetricStore } from '../metrics/store.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import type { ComponentSteps } from './run.ts';
import { inNameOf } from './strays.ts';

export interface ExporterServices {
  readonly store: MetricStore;
  readonly endpoints: EndpointTable;
  readonly pipeline: FlowPipeline;
  readonly metrics: AgentMetrics;
  readonly exports: ExportMetrics;
  readonly facts: HostFacts;
  readonly flows: FlowReader;
  /** By instance: counts what passes from the end of one run to the beginning of the next, under whichever configuration. */
  readonly away: Map<string, Disposable>;
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
  const { store, endpoints, pipeline, metrics, exports } = services;
  const texts = { endpoints, label: (id: number) => store.labels.text(id) };
  const { push, metricRelabelConfigs = [], flowRelabelConfigs = [], maxSeries } = config.export ?? {};
  return {
    load,
    validate: (exporter) => void parseOptions(name, exporter.config, config),
    probe: () => [],
    async setup(exporter, run) {
      const { scope } = run;
      const instance = `${exporter.name}${instanceOf(name).suffix}`;
      const counts = exports.counts(instance);
      const view = metricRelabelConfigs.length || maxSeries ? new MetricView(store, metricRelabelConfigs, maxSeries) : undefined; // prettier-ignore
      await view?.warm(scope.signal);
      const sink = await exporter.setup({
        signal: scope.signal,
        log: scope.log,
        use: (resource) => scope.use(resource),
        defer: (release) => scope.defer(release),
        every: (ms, task) => scope.every(ms, task),
        degrade: (cause) => scope.degrade(cause),
        config: Object.freeze(parseOptions(name, exporter.config, config)),
        instance,
        host: services.facts,
        metrics: view ?? store,
        endpoints,
        flows: services.flows,
        labelText: (id) => store.labels.text(id),
        health: () => services.health(),
        serves: (url) => run.serves(url),
      });
      if (scope.ended) return;
      const hidden = view && (() => view.hidden());
      if (!sink?.flows) over(services.away, instance);
      if (!sink) {
        if (hidden) scope.use(exports.show(instance, { hidden }));
        return;
      }
      const driver = new PushDriver({
        sink,
        reader: view ?? store,
        limits: pushLimits(limits, sink.push, push),
        log: scope.log,
        inName: (work) => inNameOf(run.guard, work),
        ...(flowRelabelConfigs.length && { select: selector(new FlowRules(flowRelabelConfigs, texts), counts.filtered) }), // prettier-ignore
        events: {
          ...counts,
          lost(cause, records) {
            counts.lost(cause, records);
            metrics.lost(cause === 'queue_full' ? 'export_queue' : 'export', instance, records);
          },
          state: (signal, cause) => run.condition(`export ${signal}`, cause),
          stuck: (error) => run.failed(error),
        },
      });
      scope.use(exports.show(instance, { driver, ...(hidden && { hidden }) }));
      scope.defer(function lastDelivery() {
        return driver.stop(services.flushMs());
      });
      if (!sink.flows) return;
      over(services.away, instance);
      const taking = pipeline.addSink(instance, (batch) => driver.flows(batch));
      scope.defer(function takesNoMore() {
        taking[Symbol.dispose]();
        services.away.set(
          instance,
          pipeline.addSink(instance, (batch) => driver.missed(batch)),
        );
      });
    },
  };
}

/** It is there again, or nobody waits for it any more. */
export function over(away: Map<string, Disposable>, instance: string): void {
  away.get(instance)?.[Symbol.dispose]();
  away.delete(instance);
}

/** Rows by the rules, those left out counted. */
function selector(
  rules: FlowRules,
  filtered: (records: number) => void,
): (batch: FlowBatch) => Uint32Array | undefined {
  return (batch) => {
    const rows = rules.select(batch);
    if (rows) filtered(batch.length - rows.length);
    return rows;
  };
}
