import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '@retina/core';
import { kubeClient } from '@retina/kube';
import { RetinaError } from '@retina/sdk';
import { SERVER } from './problems.ts';
import { ClusterReader, type ReaderOptions } from './reader.ts';

/** Between two attempts to find out how the API server is reached. */
const RETRY_MS = 10_000;
/** So long a new configuration may wait for what it needs of the cluster, while the one before goes on. */
const HANDOVER_MS = 60_000;

export interface ClusterOptions extends ReaderOptions {
  /** In place of a minute, for tests. */
  readonly handoverMs?: number;
}

/** What the agent knows of its cluster, kept up to date. Whatever fails here costs names or settings, never observation. */
export class Cluster implements Disposable {
  private readonly options: ClusterOptions;
  /** Whose names and settings are in force. */
  private running: ClusterReader | undefined;
  /** Reads for another configuration, and takes over when it has read everything. */
  private next: ClusterReader | undefined;
  private handover: Promise<void> = Promise.resolve();
  private settings = '';
  private timer: NodeJS.Timeout | undefined;

  constructor(options: ClusterOptions) {
    this.options = options;
  }

  /** Follows the cluster as a configuration asks for, or no longer. What stays as it is goes on undisturbed, and names stay through a change. */
  configure(config: Config): void {
    const { bypass: _, ...kubernetes } = config.kubernetes; // the host's matter
    const settings = JSON.stringify([kubernetes, config.podLevel, config.nodeName]);
    if (settings === this.settings) return;
    if (config.kubernetes.enabled) this.start(config);
    else this[Symbol.dispose]();
    this.settings = settings;
  }

  /** Resolves when everything that is followed has been read once, and is in force. */
  async synced(): Promise<void> {
    await this.handover;
    await this.running?.synced();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    this.next?.[Symbol.dispose]();
    this.running?.[Symbol.dispose]();
    this.running = this.next = undefined;
    this.options.host.problems.delete(SERVER);
  }

  private start(config: Config): void {
    clearTimeout(this.timer);
    this.next?.[Symbol.dispose]();
    this.next = undefined;
    const { host, log, version } = this.options;
    const { kubeconfig, context } = config.kubernetes;
    try {
      const client = kubeClient({ kubeconfig, context, userAgent: `retina-agent/${version}` });
      log.info('names come from the cluster', { server: client.server, credentials: client.source });
      host.problems.delete(SERVER);
      this.running?.hush();
      const reader = new ClusterReader(client, config, this.options, this.running !== undefined);
      if (this.running) this.handover = this.handOver((this.next = reader));
      else this.running = reader;
    } catch (error) {
      const problem = RetinaError.from(error, 'RETINA_KUBE_CONFIG', 'the cluster cannot be asked for names');
      const known = host.problems.get(SERVER)?.message === problem.message;
      if (!known) log.error(problem.message, { code: problem.code });
      host.problems.set(SERVER, problem);
      this.timer = setTimeout(() => this.start(config), RETRY_MS).unref();
    }
  }

  /** Lets a reader take over when it is ready. One that gets no answer does so in the end: names stay, settings are the new ones. */
  private async handOver(reader: ClusterReader): Promise<void> {
    const { log, handoverMs = HANDOVER_MS } = this.options;
    const late = new AbortController();
    const inTime = reader.settled.then(() => true);
    const ready = await Promise.race([inTime, sleep(handoverMs, false, { signal: late.signal, ref: false }).catch(() => false)]); // prettier-ignore
    late.abort();
    if (this.next !== reader) return;
    const before = this.running!;
    this.running = reader;
    this.next = undefined;
    if (!ready) log.warn('the cluster does not answer the new configuration; names stay as they are until it does');
    await reader.follow(before);
    log.info('the cluster is followed as the new configuration asks for');
  }
}
