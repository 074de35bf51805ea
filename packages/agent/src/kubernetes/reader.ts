import type { Config, Host } from '@retina/core';
import { type KubeClient, METRICS_CONFIGURATIONS, reflect, type Reflector, type ReflectorState } from '@retina/kube';
import { type Logger, RetinaError } from '@retina/sdk';
import { Configurations } from './configurations.ts';
import { ClusterIdentity } from './identity.ts';
import { showWatches } from './metrics.ts';
import { about, isRefusal, problemKey, SERVER, unanswered } from './problems.ts';
import { Trim } from './trim.ts';
import { type Watch, watchesFor } from './watches.ts';

/** Whom a reader tells, and as what it presents itself to the API server. */
export interface ReaderOptions {
  readonly host: Host;
  readonly log: Logger;
  readonly version: string;
}

/** Follows the cluster as one configuration asks for. */
export class ClusterReader implements Disposable {
  private readonly client: KubeClient;
  private readonly config: Config;
  private readonly host: Host;
  private readonly log: Logger;
  private readonly identity: ClusterIdentity;
  private readonly configurations: Configurations;
  private readonly watches: readonly Watch[];
  private readonly reflectors = new Map<Watch, Reflector<unknown>>();
  /** Collections that got no answer. */
  private readonly silent = new Set<Watch>();
  /** To be called when a collection has been read, or was refused. */
  private readonly answered = new Map<Watch, () => void>();
  private silenced = false;
  /** Once this is who names. */
  private metrics: Disposable | undefined;
  /** Resolves when everything that is followed has been read once, or was refused. */
  readonly settled: Promise<void>;
  private readonly started: Promise<void>;
  private ended = false;

  /** `waits`: what it reads has no effect until {@link ClusterReader.follow} is called. */
  constructor(client: KubeClient, config: Config, { host, log }: ReaderOptions, waits: boolean) {
    this.client = client;
    this.config = config;
    this.host = host;
    this.log = log;
    const { nodeName, kubernetes } = config;
    const { annotations, podSelector, namespaceSelector } = kubernetes;
    this.identity = new ClusterIdentity({
      table: host.endpoints,
      nodeName,
      choice: {
        annotations,
        selectors: Boolean(podSelector ?? namespaceSelector),
        namespaces: Boolean(namespaceSelector),
      },
      onApiServers: (servers) => host.foundApiServers(servers),
      waits,
    });
    const chooses = annotations || Boolean(podSelector ?? namespaceSelector);
    this.configurations = new Configurations(host, log, chooses, waits);
    const trim = new Trim({ ...kubernetes, nodeName });
    const { identity, configurations } = this;
    this.watches = watchesFor(config, {
      identity,
      trim,
      configuration: configurations.take,
      configurationsSynced: configurations.synced,
    });
    const answers = this.watches.map((watch) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.answered.set(watch, resolve);
      return promise;
    });
    this.settled = Promise.all(answers).then(() => undefined);
    this.started = this.startAll();
    if (!waits) this.show();
  }

  /**
   * Takes the place of another reader, which ends: what that one knew stays until everything has been read here. Resolves when all
   * that is known is in force.
   */
  follow(before: ClusterReader): Promise<void> {
    before.end();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.identity.follow(before.identity, () => {
      const read = this.watches.some(({ resource }) => resource.plural === METRICS_CONFIGURATIONS.plural);
      this.configurations.follow(before.configurations, read);
      resolve();
    });
    this.show();
    void this.settled.then(() => this.identity.read());
    return promise;
  }

  /** Says no more of what is amiss: another one does. */
  hush(): void {
    this.silenced = true;
    for (const watch of this.watches) this.host.problems.delete(problemKey(watch));
    this.host.problems.delete(SERVER);
    this.host.problems.delete('node name');
  }

  async synced(): Promise<void> {
    await this.started;
    await Promise.all([...this.reflectors.values()].map(({ synced }) => synced));
  }

  [Symbol.dispose](): void {
    this.end();
    this.configurations[Symbol.dispose]();
    this.identity[Symbol.dispose]();
  }

  /** Reads no more; what is known stays in force. */
  private end(): void {
    this.ended = true;
    for (const reflector of this.reflectors.values()) reflector.stop();
    if (!this.silenced) this.hush();
    this.client.close();
    this.metrics?.[Symbol.dispose]();
    this.metrics = undefined;
  }

  private show(): void {
    this.metrics = showWatches(this.host.metrics, this.client, () => this.readings());
  }

  /** Pods after all that says more about them, or after a first failure of that. */
  private async startAll(): Promise<void> {
    const { watches } = this;
    const first = watches.filter(({ last }) => !last).map((watch) => this.start(watch));
    await Promise.all(first);
    if (!this.ended) for (const watch of watches) if (watch.last) void this.start(watch);
  }

  /** Resolves when it has been read once, or could not be. */
  private start(watch: Watch): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { name, take, synced, resource, namespace, fieldSelector, labelSelector, fromCache = false, trim } = watch;
    const reflector = reflect(this.client, {
      resource,
      namespace,
      fieldSelector,
      labelSelector,
      fromCache,
      trim,
      onUpsert: (value, key) => take(key, value),
      onDelete: (_value, key) => take(key, undefined),
      onSynced: () => {
        this.log.debug('read from the cluster', { what: name });
        synced?.();
        this.answered.get(watch)!();
        if (name === 'nodes') this.checkNodeName();
      },
      onState: (state) => {
        if (state.phase === 'waiting' || state.phase === 'stopped') resolve();
        this.changed(watch, state);
      },
    });
    this.reflectors.set(watch, reflector);
    void reflector.synced.then(resolve, resolve);
    return promise;
  }

  private changed(watch: Watch, { phase, error }: ReflectorState): void {
    if (phase === 'waiting' && error && isRefusal(error)) this.answered.get(watch)!();
    if (this.silenced) return;
    if (phase === 'watching') {
      this.silent.delete(watch);
      if (this.silent.size === 0) this.resolved(SERVER, 'the API server answers again');
      this.resolved(problemKey(watch), 'followed again', { what: watch.name });
    } else if (phase === 'waiting' && error && !error.gone && !(watch.optional && error.status === 404)) {
      if (error.status !== 0) return this.problem(problemKey(watch), about(watch, error));
      // No answer to one is no answer to all: said once.
      this.silent.add(watch);
      if (!this.host.problems.has(SERVER)) this.problem(SERVER, unanswered(error));
    }
  }

  private problem(key: string, problem: RetinaError): void {
    if (this.host.problems.get(key)?.message === problem.message) return; // said already
    this.host.problems.set(key, problem);
    this.log.warn('the cluster is not followed; what is known stays', { code: problem.code, error: problem.message });
  }

  private resolved(key: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.host.problems.delete(key)) this.log.info(message, fields);
  }

  private checkNodeName(): void {
    const { host, config, identity, log } = this;
    if (this.silenced) return;
    if (identity.knowsOwnNode ?? false) return void host.problems.delete('node name');
    const problem = new RetinaError('RETINA_CONFIG_INVALID', 'no node of the cluster has the name of this one', {
      found: config.nodeName,
      needed: 'the name of the Node object: pods of this node are asked for by it',
      next: 'set nodeName, or the environment variable NODE_NAME from the field spec.nodeName',
    });
    host.problems.set('node name', problem);
    log.error(problem.message, { code: problem.code });
  }

  private *readings() {
    for (const [{ name }, { state, store, counts }] of this.reflectors) {
      yield { name, up: state.phase === 'watching', objects: store.size, counts };
    }
  }
}
