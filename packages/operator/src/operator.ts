import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KubeClient, type LeaderElection, leaderElection } from '@retina/kube';
import type { Logger } from '@retina/sdk';
import type { OperatorConfig } from './config.ts';
import { ConfigurationReporter } from './configurations/configuration-reporter.ts';
import { ensureCrds } from './crds.ts';
import { EndpointSync } from './endpoints/endpoint-sync.ts';
import { removeEndpoints } from './endpoints/remove-endpoints.ts';
import { OperatorMetrics } from './metrics.ts';
import { type Address, PageServer } from './server.ts';

/** Pause before work that broke off is begun again. */
const AGAIN_MS = 5000;

export interface OperatorOptions {
  readonly client: KubeClient;
  readonly config: OperatorConfig;
  readonly log: Logger;
  readonly version: string;
  /** Serves `/metrics`. */
  readonly metricsAddress: Address;
  /** Serves `/healthz` and `/readyz`. */
  readonly probeAddress: Address;
  /** Unique among the replicas. Default: the pod's or host's name and a random part. */
  readonly identity?: string;
}

/** One replica. It works while it leads; the others wait, and are ready. */
export class Operator implements AsyncDisposable {
  readonly metrics: OperatorMetrics;
  readonly identity: string;
  private readonly options: OperatorOptions;
  private readonly closing = new AbortController();
  private servers: readonly PageServer[] = [];
  private election: LeaderElection | undefined;
  private session: Promise<void> = Promise.resolve();
  private leading = false;
  private waitsFor: () => readonly string[] = () => [];
  private leaseProblem = '';

  private constructor(options: OperatorOptions) {
    this.options = options;
    this.metrics = new OperatorMetrics(options.version);
    this.metrics.follow(options.client);
    this.identity = options.identity ?? `${process.env['POD_NAME'] || hostname()}_${randomUUID().slice(0, 8)}`;
  }

  /** Serves, and stands for election. Throws RETINA_LISTEN_FAILED. */
  static async start(options: OperatorOptions): Promise<Operator> {
    const operator = new Operator(options);
    await operator.serve();
    operator.stand();
    return operator;
  }

  /** Whether it does what it should: waits while another one leads, or leads and has read everything. */
  get status(): { readonly leading: boolean; readonly ready: boolean; readonly waitsFor: readonly string[] } {
    const waitsFor = this.leading ? this.waitsFor() : this.lease();
    return { leading: this.leading, ready: waitsFor.length === 0 && !this.closing.signal.aborted, waitsFor };
  }

  get metricsPort(): number {
    return this.servers[0]?.port ?? 0;
  }

  get probePort(): number {
    return this.servers.at(-1)?.port ?? 0;
  }

  /** Ends what is being done, then gives the lease up, so that another one begins when this one has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.closing.abort();
    await this.session;
    await this.election?.stop();
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
    this.options.client.close();
  }

  private async serve(): Promise<void> {
    const { metricsAddress, probeAddress } = this.options;
    const type = 'text/plain; version=0.0.4; charset=utf-8';
    const metrics = { '/metrics': () => ({ status: 200, body: this.metrics.text(), type }) };
    const probes = { '/healthz': () => ({ status: 200, body: 'ok\n' }), '/readyz': () => this.readiness() };
    const one = metricsAddress.port === probeAddress.port && metricsAddress.port !== 0;
    this.servers = one
      ? [await PageServer.listen(metricsAddress, { ...metrics, ...probes })]
      : [await PageServer.listen(metricsAddress, metrics)];
    if (!one) {
      try {
        this.servers = [...this.servers, await PageServer.listen(probeAddress, probes)];
      } catch (error) {
        await this.servers[0]?.[Symbol.asyncDispose]();
        throw error;
      }
    }
  }

  /** One that never saw a leader, itself included, is no replica to rely on. */
  private lease(): string[] {
    if (!this.election || this.election.leader !== '') return [];
    return [`the lease${this.leaseProblem && ` (${this.leaseProblem})`}`];
  }

  private readiness(): { status: number; body: string } {
    const { leading, ready, waitsFor } = this.status;
    if (!ready) return { status: 503, body: `not ready: ${waitsFor.join('; ') || 'ending'}\n` };
    return { status: 200, body: leading ? 'ok: leading\n' : 'ok: waiting for the lease\n' };
  }

  private stand(): void {
    const { client, config, log } = this.options;
    const { enabled, namespace, name, leaseDuration, renewDeadline, retryPeriod } = config.leaderElection;
    if (!enabled) return this.lead(this.closing.signal);
    this.election = leaderElection(client, {
      ...(namespace && { namespace }),
      name,
      identity: this.identity,
      leaseDurationMs: leaseDuration,
      renewDeadlineMs: renewDeadline,
      retryPeriodMs: retryPeriod,
      onLead: (signal) => this.lead(AbortSignal.any([signal, this.closing.signal])),
      onLeader: (identity) => log.info('the leader is', { identity, me: identity === this.identity }),
      onError: (error) => {
        this.leaseProblem = error.message;
        log.warn('cannot take or keep the lease', { name, error: error.message });
      },
    });
  }

  /** What an earlier turn still does ends first. */
  private lead(signal: AbortSignal): void {
    this.session = this.session.then(async () => {
      if (signal.aborted) return;
      const { log } = this.options;
      this.leading = true;
      this.metrics.leader.set(1);
      this.metrics.transitions.add(1);
      log.info('leading', { identity: this.identity });
      while (!signal.aborted) {
        try {
          await this.work(signal);
        } catch (error) {
          if (signal.aborted) break;
          log.error('work broke off and is begun again', { error: error instanceof Error ? error.message : String(error) }); // prettier-ignore
          await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
        }
      }
      this.leading = false;
      this.metrics.leader.set(0);
      log.info('no longer leading', { identity: this.identity });
    });
  }

  /** Ends when `signal` aborts and nothing is in flight, or when something broke off: then everything does. */
  private async work(outer: AbortSignal): Promise<void> {
    const { client, config, log } = this.options;
    const { metrics } = this;
    const failed = new AbortController();
    const signal = AbortSignal.any([outer, failed.signal]);
    let missing: readonly string[] = ['custom resource definitions'];
    this.waitsFor = () => missing;
    await ensureCrds({
      client,
      log,
      metrics,
      install: config.installCRDs,
      signal,
      onWait: (names, why) => (missing = [`${names.join(', ')} (${why})`]),
    });
    const { writesPerSecond, concurrency, resyncInterval } = config.retinaEndpoints;
    const shared = { client, log, metrics, writesPerSecond };
    const reporter = new ConfigurationReporter(shared);
    const sync = config.remoteContext && config.enableRetinaEndpoint ? new EndpointSync({ ...shared, concurrency, resyncMs: resyncInterval }) : undefined; // prettier-ignore
    this.waitsFor = () => [...reporter.waitsFor, ...(sync?.waitsFor ?? [])];
    const tasks = [reporter.run(signal)];
    if (sync) tasks.push(sync.run(signal));
    else if (config.enableRetinaEndpoint) tasks.push(removeEndpoints(shared, signal).then(() => undefined));
    // The first failure ends the others, and all of them have ended before this returns.
    for (const task of tasks) task.catch((error: unknown) => failed.abort(error));
    const [problem] = (await Promise.allSettled(tasks)).filter((result) => result.status === 'rejected');
    if (problem) throw problem.reason;
  }
}
