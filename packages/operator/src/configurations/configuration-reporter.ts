import {
  type KubeClient,
  METRICS_CONFIGURATIONS,
  type MetricsConfiguration,
  reflect,
  type Reflector,
} from '@retina/kube';
import type { Logger } from '@retina/sdk';
import { WorkQueue } from '../endpoints/work-queue.ts';
import type { OperatorMetrics } from '../metrics.ts';
import { waitsFor } from '../waits-for.ts';
import { judge, type Judgement } from './judge.ts';
import { statusOf } from './status.ts';

const FIELD_MANAGER = 'retina-operator';

export interface ConfigurationReporterOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
}

/** Writes into each MetricsConfiguration's status whether it is in force, and why not. */
export class ConfigurationReporter {
  private readonly options: ConfigurationReporterOptions;
  private readonly queue: WorkQueue;
  private verdicts = new Map<string, Judgement>();
  /** What was applied last by name: were the server to store it otherwise, it is not applied for ever. */
  private readonly applied = new Map<string, string>();
  private reflector: Reflector<MetricsConfiguration> | undefined;
  private signal: AbortSignal | undefined;

  constructor(options: ConfigurationReporterOptions) {
    this.options = options;
    this.queue = new WorkQueue({
      work: (name, write) => this.report(name, write),
      onError: (name, error) => {
        options.log.warn('cannot write the status of a MetricsConfiguration', { name, error: String(error) });
        return 'later';
      },
      concurrency: 1,
      rate: 10,
      burst: 20,
    });
  }

  get waitsFor(): string[] {
    return waitsFor('metricsconfigurations', this.reflector);
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, log, metrics } = this.options;
    if (signal.aborted) return;
    this.signal = signal;
    this.reflector = reflect<MetricsConfiguration, MetricsConfiguration>(client, {
      resource: METRICS_CONFIGURATIONS,
      // managedFields and the annotation of kubectl apply are most of it.
      trim: ({ metadata, spec, status }) => ({
        metadata: {
          name: metadata.name ?? '',
          uid: metadata.uid ?? '',
          ...(metadata.generation !== undefined && { generation: metadata.generation }),
          ...(metadata.creationTimestamp && { creationTimestamp: metadata.creationTimestamp }),
          ...(metadata.deletionTimestamp && { deletionTimestamp: metadata.deletionTimestamp }),
        },
        spec,
        ...(status && { status }),
      }),
      onUpsert: () => this.judge(),
      onDelete: (_object, name) => {
        this.applied.delete(name);
        this.judge();
      },
      onSynced: () => this.judge(),
      onState: ({ error }) => {
        if (error) log.warn('cannot read', { resource: 'metricsconfigurations', error: error.message });
      },
    });
    const stopReading = metrics.reading(() => {
      metrics.configurations.clear();
      for (const state of ['Accepted', 'Errored']) {
        metrics.configurations.set([...this.verdicts.values()].filter((v) => v.state === state).length, state);
      }
    });
    const stop = () => this.reflector?.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await this.reflector.synced;
      await this.queue.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      stop();
      stopReading();
    }
  }

  /** All of them anew: a change to one may put another one in force. There are never many. */
  private judge(): void {
    if (!this.reflector?.isSynced) return; // the oldest may still come
    this.verdicts = judge([...this.reflector.store.values()]);
    for (const name of this.verdicts.keys()) this.queue.add(name);
  }

  private async report(name: string, write: () => Promise<void>): Promise<void> {
    const object = this.reflector?.store.get(name);
    const verdict = this.verdicts.get(name);
    const status = object && verdict && statusOf(object, verdict, new Date());
    if (!status) return;
    const { uid, generation } = object.metadata;
    const said = JSON.stringify([uid, generation, verdict]);
    if (this.applied.get(name) === said) return;
    await write();
    const { client, log } = this.options;
    const draft = { apiVersion: 'retina.sh/v1alpha1', kind: 'MetricsConfiguration', metadata: { name }, status };
    await client.apply(METRICS_CONFIGURATIONS, draft, {
      subresource: 'status',
      fieldManager: FIELD_MANAGER,
      ...(this.signal && { signal: this.signal }),
    });
    this.applied.set(name, said);
    const level = verdict.state === 'Errored' ? 'warn' : 'info';
    log[level]('a MetricsConfiguration was judged', { name, state: verdict.state, reason: verdict.reason });
  }
}
