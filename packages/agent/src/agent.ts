import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { checkConfig, ConfigWatcher, defaultConfig, Host, type Config, type LoadedConfig } from '@retina/core';
import { serveApi } from './api/server.ts';
import { defaultSocket, refuseIfAlive, SYSTEM_SOCKET } from './api/socket.ts';
import type { DemoWorld } from './demo/world.ts';
import type { Flags } from './flags.ts';
import { COMPONENTS_FROM } from './index.ts';
import type { Cluster } from './kubernetes/cluster.ts';
import { holdNamespace } from './lock.ts';
import type { AgentLog } from './log.ts';
import { AgentView } from './view.ts';

export interface AgentOptions {
  readonly flags: Flags;
  readonly config: Config;
  /** Text of the configuration file as it was read. */
  readonly text?: string | undefined;
  readonly log: AgentLog;
  readonly version: string;
}

/** A configuration and the text of its file, if it has one. */
export interface ReadConfig extends LoadedConfig {
  readonly text?: string | undefined;
}

/** The configuration the flags ask for. Throws RETINA_CONFIG_INVALID with every mistake. */
export async function readConfig({ config: file }: Flags): Promise<ReadConfig> {
  if (file === undefined) return defaultConfig();
  const text = await readFile(file, 'utf8').catch(() => undefined); // then core says why not
  const source = { file, ...(text !== undefined && { text }) };
  return { ...(await checkConfig(source, { from: COMPONENTS_FROM })), text };
}

/** A running agent: host, local API and, if asked for, the demonstration. What it made is gone when it is closed. */
export class Agent {
  view: AgentView | undefined;
  private readonly options: AgentOptions;
  private readonly abort = new AbortController();
  /** Released in reverse order. */
  private readonly owned: (Disposable | AsyncDisposable)[] = [];
  private host: Host | undefined;
  private world: DemoWorld | undefined;
  private watcher: ConfigWatcher | undefined;
  private cluster: Cluster | undefined;
  private beginning: Promise<void> | undefined;

  constructor(options: AgentOptions) {
    this.options = options;
  }

  /** Rejects with a RetinaError where nothing can run; call `close` then, too. */
  start(): Promise<void> {
    return (this.beginning ??= this.begin());
  }

  /** Reads the configuration file again. */
  async reload(): Promise<void> {
    await this.beginning;
    if (this.watcher) await this.watcher.reload();
    else this.options.log.info('there is no configuration file to read again');
  }

  /** Ends everything within the host's deadline; may be called while `start` is under way. */
  async close(): Promise<void> {
    this.abort.abort();
    await this.beginning?.catch(() => {});
    this.view?.[Symbol.dispose]();
    this.watcher?.[Symbol.dispose]();
    while (this.owned.length) {
      const one = this.owned.pop()!;
      if (Symbol.asyncDispose in one) await one[Symbol.asyncDispose]();
      else one[Symbol.dispose]();
    }
  }

  private async begin(): Promise<void> {
    const { flags, log, version } = this.options;
    const socket = this.socket();
    if (socket !== false) await refuseIfAlive(socket);
    const lock = this.own(await holdNamespace(this.options.config));
    const { createDemoWorld, removeDemoLeftovers } = await import('./demo/world.ts');
    if (flags.demo) this.world = this.own(await createDemoWorld(log));
    else if (await removeDemoLeftovers()) log.info('the demonstration that an earlier agent left is removed');
    if (this.abort.signal.aborted) return;

    const host = await Host.start(this.overridden(this.options.config), {
      logger: log,
      version,
      from: COMPONENTS_FROM,
      signal: this.abort.signal,
      removeStaleFilters: lock.held,
    });
    this.host = this.own(host);
    await this.followCluster(host, host.config);
    if (this.abort.signal.aborted) return;
    this.view = new AgentView({
      host,
      version,
      configuration: flags.config === undefined ? 'built-in' : resolve(flags.config),
      demo: flags.demo,
    });
    if (socket !== false) this.own(await serveApi(this.view, socket, log));
    if (flags.config !== undefined) this.watch(flags.config);
    this.world?.startTraffic();
    log.info('observing', {
      plugins: Object.keys(host.config.plugins),
      taps: host.tapList().length,
      metrics: this.view.status().endpoints,
      ...(socket !== false && { socket }),
    });
  }

  /** Loads what talks to a cluster only where there is one. */
  private async followCluster(host: Host, config: Config): Promise<void> {
    if (config.kubernetes.enabled && !this.cluster) {
      const { log, version } = this.options;
      const { Cluster } = await import('./kubernetes/cluster.ts');
      if (this.abort.signal.aborted) return;
      this.cluster = this.own(new Cluster({ host, log, version }));
    }
    this.cluster?.configure(config);
  }

  private watch(file: string): void {
    const { log } = this.options;
    this.watcher = new ConfigWatcher({
      file,
      text: this.options.text,
      log,
      from: COMPONENTS_FROM,
      apply: async ({ config }) => {
        log.setLevel(this.options.flags.logLevel ?? config.logLevel);
        await this.host?.reconcile(this.overridden(config));
        if (this.host) await this.followCluster(this.host, config);
      },
      onProblem: (problem) => {
        if (this.host) this.host.configProblem = problem;
      },
    });
  }

  /** What flags decide whatever the file says. */
  private overridden(config: Config): Config {
    return this.world ? { ...config, identity: { ...config.identity, file: this.world.identityFile } } : config;
  }

  private socket(): string | false {
    const configured = this.options.config.api.socket;
    return this.options.flags.socket ?? (configured === SYSTEM_SOCKET ? defaultSocket() : configured);
  }

  private own<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.owned.push(resource);
    return resource;
  }
}
