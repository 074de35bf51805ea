import type { Config, Host } from '@retina/core';
import {
  type KubeClient,
  kubeClient,
  type KubeError,
  reflect,
  type Reflector,
  type ReflectorState,
} from '@retina/kube';
import { type Logger, RetinaError } from '@retina/sdk';
import { ClusterIdentity } from './identity.ts';
import { Configurations } from './configurations.ts';
import { showWatches } from './metrics.ts';
import { Trim } from './trim.ts';
import { type Watch, watchesFor } from './watches.ts';

/** Between two attempts to find out how the API server is reached. */
const RETRY_MS = 10_000;
const SERVER = 'kubernetes';

export interface ClusterOptions {
  readonly host: Host;
  readonly log: Logger;
  readonly version: string;
}

/** What the agent knows of its cluster, kept up to date. Whatever fails here costs names or settings, never observation. */
export class Cluster implements Disposable {
  private readonly options: ClusterOptions;
  private running: Running | undefined;
  private settings = '';
  private timer: NodeJS.Timeout | undefined;

  constructor(options: ClusterOptions) {
    this.options = options;
  }

  /** Follows the cluster as a configuration asks for, or no longer. What stays as it is goes on undisturbed. */
  configure(config: Config): void {
    const settings = JSON.stringify([config.kubernetes, config.podLevel, config.nodeName]);
    if (settings === this.settings) return;
    this[Symbol.dispose]();
    this.settings = settings;
    if (config.kubernetes.enabled) this.start(config);
  }

  /** Resolves when everything that is followed has been read once. */
  async synced(): Promise<void> {
    await this.running?.synced();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    this.running?.[Symbol.dispose]();
    this.running = undefined;
    this.options.host.problems.delete(SERVER);
  }

  private start(config: Config): void {
    const { host, log, version } = this.options;
    const { kubeconfig, context } = config.kubernetes;
    try {
      const client = kubeClient({ kubeconfig, context, userAgent: `retina-agent/${version}` });
      log.info('names come from the cluster', { server: client.server, credentials: client.source });
      host.problems.delete(SERVER);
      this.running = new Running(client, config, this.options);
    } catch (error) {
      const problem = RetinaError.from(error, 'RETINA_KUBE_CONFIG', 'the cluster cannot be asked for names');
      const known = host.problems.get(SERVER)?.message === problem.message;
      if (!known) log.error(problem.message, { code: problem.code });
      host.problems.set(SERVER, problem);
      this.timer = setTimeout(() => this.start(config), RETRY_MS).unref();
    }
  }
}

/** One configuration's watches. */
class Running implements Disposable {
  private readonly client: KubeClient;
  private readonly config: Config;
  private readonly host: Host;
  private readonly log: Logger;
  private readonly identity: ClusterIdentity;
  private readonly configurations: Configurations;
  private readonly reflectors = new Map<Watch, Reflector<unknown>>();
  /** Collections that got no answer. */
  private readonly silent = new Set<Watch>();
  private readonly metrics: Disposable;
  private readonly started: Promise<void>;
  private disposed = false;

  constructor(client: KubeClient, config: Config, { host, log }: ClusterOptions) {
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
    });
    this.configurations = new Configurations(host, log, annotations || Boolean(podSelector ?? namespaceSelector));
    const trim = new Trim({ ...kubernetes, nodeName });
    const { identity, configurations } = this;
    const watches = watchesFor(config, {
      identity,
      trim,
      configuration: configurations.take,
      configurationsSynced: configurations.synced,
    });
    this.started = this.startAll(watches);
    this.metrics = showWatches(host.metrics, client, () => this.readings());
  }

  async synced(): Promise<void> {
    await this.started;
    await Promise.all([...this.reflectors.values()].map(({ synced }) => synced));
  }

  [Symbol.dispose](): void {
    this.disposed = true;
    for (const [watch, reflector] of this.reflectors) {
      reflector.stop();
      this.host.problems.delete(problemKey(watch));
    }
    this.host.problems.delete('node name');
    this.client.close();
    this.metrics[Symbol.dispose]();
    this.configurations[Symbol.dispose]();
    this.identity[Symbol.dispose]();
  }

  /** Pods after all that says more about them, or after a first failure of that. */
  private async startAll(watches: readonly Watch[]): Promise<void> {
    const first = watches.filter(({ last }) => !last).map((watch) => this.follow(watch));
    await Promise.all(first);
    if (!this.disposed) for (const watch of watches) if (watch.last) void this.follow(watch);
  }

  /** Resolves when it has been read once, or could not be. */
  private follow(watch: Watch): Promise<void> {
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

function problemKey({ name }: Watch): string {
  return `${SERVER} ${name}`;
}

function unanswered(error: KubeError): RetinaError {
  return new RetinaError(error.code, 'the API server does not answer; names and settings stay as they are', {
    found: error.found ? `${error.summary}: ${error.found}` : error.summary,
    ...(error.next && { next: error.next }),
    retryable: true,
    cause: error,
  });
}

/** What is missing without a collection, before why. */
function about({ name, resource }: Watch, error: KubeError): RetinaError {
  const next =
    error.status === 403
      ? `grant list and watch on ${resource.plural}${resource.group && ` of ${resource.group}`} to the agent's ClusterRole`
      : name === 'retinaendpoints' && error.status === 404
        ? 'install the operator, which defines and keeps RetinaEndpoints, or set kubernetes.source: pods'
        : error.next;
  return new RetinaError(error.code, `${name} of the cluster are not followed: ${error.summary}`, {
    ...(error.found && { found: error.found }),
    ...(error.needed && { needed: error.needed }),
    ...(next && { next }),
    retryable: true,
    cause: error,
  });
}
