import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Exporter, Health, KernelFeatures, Logger, Plugin, RetinaError, Tap } from '@retina/sdk';
import type { Config } from '../config/schema.ts';
import { FlowHistory } from '../flows/history.ts';
import { FlowPipeline } from '../flows/pipeline.ts';
import { EndpointTable } from '../identity/table.ts';
import { MetricStore } from '../metrics/store.ts';
import { AddressNameTable } from '../node/address-names.ts';
import { ConfiguredApiServers } from '../node/api-servers.ts';
import { nodeOnly } from '../taps/node-namespaces.ts';
import { TapService } from '../taps/service.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { readAgent } from './agent-readings.ts';
import { HostArchive } from './archive.ts';
import { onTheBeat } from './beat.ts';
import { same, sameNames, untilRestart } from './changes.ts';
import { ComponentSet } from './component-set.ts';
import { FlowNaming } from './flow-naming.ts';
import { FlowSources } from './flow-sources.ts';
import { Identities } from './identities.ts';
import { nativePart, type NativePart, removeLeftovers } from './kernel.ts';
import { jsonLogger } from './logger.ts';
import { LIMITS } from './limits.ts';
import { configurePods, podConfig } from './pod-config.ts';
import { searchPath } from './resolve.ts';
import { catchStrays } from './strays.ts';
import type { HostEvents, HostOptions, PodOverride, ReconcileReport } from './types.ts';

const SWEEP_MS = 1000;
/** Sweeps between two of the names, which are checked when they are read. */
const NAMES_EVERY = 30;
const STOP_MS = 5000;

/**
 * A running Retina: plugins observe, exporters publish, the host owns everything between them. Start one with
 * {@link Host.start}, end it with {@link Host.stop}; what fails inside is a component's state, never an exception here.
 */
export class Host extends EventEmitter<HostEvents> {
  readonly kernel: KernelFeatures;
  /** Every metric, of plugins and of the agent itself. */
  readonly metrics: MetricStore;
  readonly endpoints: EndpointTable;
  /** Where flow records pass; `addSink` sees each batch. */
  readonly flows: FlowPipeline;
  /** The last flow records. */
  readonly history: FlowHistory;
  /** What flow records are about, in words. */
  readonly flowNames: FlowNaming;
  /** Names of addresses that belong to no known endpoint. */
  readonly names = new AddressNameTable();
  /** Open flow sources and their statistics. */
  readonly sources = new FlowSources();
  /** Flow records on disk, if the configuration asks for them. */
  readonly disk = new HostArchive();
  private readonly log: Logger;
  private readonly native: NativePart;
  private readonly taps: TapService | undefined;
  private readonly apiServers: ConfiguredApiServers;
  private readonly agent: AgentMetrics;
  private readonly identities: Identities;
  private readonly components: ComponentSet;
  private readonly stopSweeps: () => void;
  private current: Config;
  /** Why a newer configuration is not in force; whoever reads configurations sets it. Part of {@link Host.health}. */
  configProblem: RetinaError | undefined;
  /** What is amiss with other parts of the agent, by what they call it. Part of {@link Host.health}. */
  readonly problems = new Map<string, RetinaError>();
  private override: PodOverride = {};
  private started = false;
  private ending: Promise<void> | undefined;
  private work: Promise<unknown> = Promise.resolve();

  /** Starts everything the configuration names and returns once each component has started or failed. Never throws for a component's sake. */
  static async start(config: Config, options: HostOptions = {}): Promise<Host> {
    catchStrays();
    const log = options.logger ?? jsonLogger(config.logLevel);
    const native = await nativePart(options.loader);
    if (native.missing)
      log.warn('no BPF object can be loaded', { code: native.missing.code, cause: native.missing.message });
    const host = new Host(config, options, native, log);
    options.signal?.addEventListener('abort', () => void host.stop(), { once: true });
    if (!options.signal?.aborted) await host.begin(options.removeStaleFilters ?? true);
    return host;
  }

  private constructor(config: Config, options: HostOptions, native: NativePart, log: Logger) {
    super();
    this.current = config;
    this.log = log;
    this.native = native;
    this.kernel = native.kernel;
    this.endpoints = new EndpointTable();
    this.metrics = new MetricStore({
      endpoints: this.endpoints,
      pods: podConfig(config, {}),
      onOverflow: (family, maxSeries) => {
        log.warn('a metric has reached its most series; more go to its overflow series', { metric: family, maxSeries });
      },
    });
    this.history = new FlowHistory(config.flows.history.records);
    this.flows = new FlowPipeline({ endpoints: this.endpoints, history: this.history, log });
    configurePods(this, config, {});
    this.apiServers = new ConfiguredApiServers(config.apiServers);
    this.agent = new AgentMetrics(this.metrics, options.version ?? '0.0.0');
    this.taps = native.loader && new TapService(native.loader, config.taps, nodeOnly(config, native.loader), log);
    this.identities = new Identities(this.endpoints, native.loader, log);
    this.components = new ComponentSet({
      limits: { ...LIMITS, ...options.limits },
      log,
      agent: this.agent,
      resolve: {
        from: searchPath(config.directory, options.from),
        ...(options.components && { components: options.components }),
      },
      plugin: {
        native,
        taps: this.taps,
        store: this.metrics,
        endpoints: this.endpoints,
        pipeline: this.flows,
        sources: this.sources,
        apiServers: this.apiServers,
        names: this.names,
      },
      facts: { nodeName: config.nodeName, clusterName: config.clusterName, version: options.version ?? '0.0.0' },
      flows: (this.flowNames = new FlowNaming(this)),
      health: () => this.health(),
      changed: (health) => {
        try {
          this.emit('state', health);
        } catch (error) {
          log.error('a listener of the host threw', { error: String(error) });
        }
      },
    });
    this.metrics.onCollect(() => readAgent(this.agent, this));
    let turns = 0;
    this.stopSweeps = onTheBeat(SWEEP_MS, () => {
      this.endpoints.sweep();
      this.metrics.sweep();
      if (++turns % NAMES_EVERY !== 0) return;
      this.names.sweep();
      this.flows.translations.sweep();
    });
  }

  /** The configuration in force. */
  get config(): Config {
    return this.current;
  }

  health(): Health {
    const components = this.components.health();
    const ready = this.started && this.components.requiredRun();
    const amiss = [this.configProblem, this.identities.problem, this.disk.problem, ...this.problems.values()];
    const problems = amiss.flatMap((one) => (one ? [{ code: one.code, message: one.message }] : []));
    return { live: true, ready: ready && !this.ending, components, problems };
  }

  /** Interfaces that are tapped, or could not be. */
  tapList(): readonly Tap[] {
    return this.taps?.list() ?? [];
  }

  /** Calls back for every tap there is, then for each that appears, changes or vanishes. */
  watchTaps(listener: (tap: Tap) => void): Disposable {
    return this.taps?.watch((_change, tap) => listener(tap)) ?? { [Symbol.dispose]: () => undefined };
  }

  /** Text of a label id in a flow record or metric. */
  labelText(id: number): string {
    return this.metrics.labels.text(id);
  }

  /** The plugin or exporter of that name, once it is imported. */
  definition(kind: 'plugin' | 'exporter', name: string): Plugin | Exporter | undefined {
    return this.components.definition(kind, name);
  }

  /** What the cluster says about pod-level metrics, at once; left out: what the configuration says. */
  overridePods(override: PodOverride): void {
    this.override = override;
    configurePods(this, this.current, override);
  }

  /** API servers that were found, beside those of the configuration. */
  foundApiServers(servers: readonly string[]): void {
    this.apiServers.found(servers);
  }

  /** Goes over to another configuration: only components whose part of it changed are released and set up afresh. */
  reconcile(config: Config): Promise<ReconcileReport> {
    const report = this.work.then(() => this.apply(config));
    this.work = report.catch(() => undefined);
    return report;
  }

  /**
   * Ends everything: plugins first, so that their last flows reach the exporters, which then deliver; at last the taps,
   * until nothing of them is left in the kernel.
   * May be called twice. Takes at most about `deadlineMs`; what is not released by then is logged.
   */
  stop(deadlineMs = STOP_MS): Promise<void> {
    return (this.ending ??= this.end(Date.now() + deadlineMs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private async begin(removeStaleFilters: boolean): Promise<void> {
    if (removeStaleFilters) await removeLeftovers(this.native, this.log);
    const disk = this.disk.begin(this, this.log, (records) => this.agent.lost('history', 'disk', records));
    await Promise.all([this.taps?.start(), this.identities.configure(this.current), disk]);
    if (this.ending) return;
    await this.components.apply(this.current);
    await this.taps?.settled();
    this.started = true;
  }

  private async apply(config: Config): Promise<ReconcileReport> {
    const before = this.current;
    this.current = config;
    const pending = untilRestart(before, config);
    if (!same(before.taps, config.taps)) this.taps?.configure(config.taps);
    configurePods(this, config, this.override);
    if (!same(before.apiServers, config.apiServers)) this.apiServers.configure(config.apiServers);
    if (!sameNames(before, config)) await this.identities.configure(config);
    const report = { ...(await this.components.apply(config)), pending };
    this.log.info('configuration applied', { ...report });
    this.emit('reconciled', report);
    return report;
  }

  private async end(deadline: number): Promise<void> {
    this.stopSweeps();
    await Promise.race([this.work, this.components.cutShort()]);
    await this.components.stop(deadline);
    await this.disk.end(deadline - Date.now());
    this.identities[Symbol.dispose]();
    this.flowNames[Symbol.dispose]();
    this.taps?.stop();
    this.agent[Symbol.dispose]();
    const left = new AbortController();
    const settled = this.native.loader?.settled() ?? Promise.resolve();
    const late = sleep(Math.max(0, deadline - Date.now()), undefined, { signal: left.signal }).catch(() => undefined);
    await Promise.race([settled, late]).finally(() => left.abort());
  }
}
