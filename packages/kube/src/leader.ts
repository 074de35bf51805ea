import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from './client-types.ts';
import { KubeError } from './kube-error.ts';
import type { LeaderElection, LeaderElectionOptions } from './leader-types.ts';
import type { Lease } from './objects.ts';
import { LEASES } from './resource.ts';

/** Stands for election until stopped: at most one candidate of a lease leads at any time, however clocks differ. */
export function leaderElection(client: KubeClient, options: LeaderElectionOptions): LeaderElection {
  const candidate = new Candidate(client, options);
  candidate.start();
  return candidate;
}

class Candidate implements LeaderElection {
  leader = '';
  readonly #client: KubeClient;
  readonly #options: Required<Omit<LeaderElectionOptions, 'onLost' | 'onLeader' | 'onError'>> & LeaderElectionOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The lease as it was last seen, and when that version of it was first seen, by this machine's monotonic clock. */
  #seen: Lease | undefined;
  #seenAt = 0;
  #term: AbortController | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(client: KubeClient, options: LeaderElectionOptions) {
    this.#client = client;
    this.#options = {
      namespace: client.namespace,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2000,
      ...options,
    };
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#options;
    if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs))
      throw new RangeError('leaseDurationMs must be above renewDeadlineMs, and that above retryPeriodMs');
  }

  get isLeader(): boolean {
    return this.#term !== undefined;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return this.#running;
    this.#stopping.abort();
    await this.#running;
    const led = this.isLeader;
    this.#lose();
    if (led) await this.#release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { retryPeriodMs, onError } = this.#options;
    while (!signal.aborted) {
      const started = performance.now();
      try {
        if (await this.#attempt()) this.#won(started);
        else this.#lose();
      } catch (thrown) {
        if (signal.aborted) return;
        onError?.(KubeError.of(thrown, 'RETINA_KUBE_UNREACHABLE', `The lease ${this.#options.name} cannot be renewed`));
      }
      await sleep(retryPeriodMs * (1 + Math.random() / 5), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Takes or renews the lease; false while another one holds it. Throws where that cannot be known. */
  async #attempt(): Promise<boolean> {
    const { namespace, name, identity, renewDeadlineMs } = this.#options;
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(renewDeadlineMs)]);
    // A leader that nobody disturbs sends one request.
    let lease = this.isLeader ? this.#seen : await this.#client.get(LEASES, { namespace, name }, { signal });
    for (let tries = 0; ; tries++) {
      try {
        if (!lease) {
          const made = { metadata: { namespace, name }, spec: this.#spec(undefined) };
          this.#see(await this.#client.create(LEASES, made, { signal }));
          return true;
        }
        this.#see(lease);
        const { holderIdentity = '', leaseDurationSeconds = 0 } = lease.spec ?? {};
        const held = holderIdentity !== '' && performance.now() - this.#seenAt < leaseDurationSeconds * 1000;
        if (holderIdentity !== identity && held) return false;
        this.#see(await this.#client.replace(LEASES, { ...lease, spec: this.#spec(lease) }, { signal }));
        return true;
      } catch (error) {
        if (!(error instanceof KubeError) || error.status !== 409 || tries > 0) throw error;
        lease = await this.#client.get(LEASES, { namespace, name }, { signal });
        if (lease?.spec?.holderIdentity !== identity) this.#lose();
      }
    }
  }

  #spec(before: Lease | undefined): NonNullable<Lease['spec']> {
    const { identity, leaseDurationMs } = this.#options;
    const now = microTime();
    const mine = before?.spec?.holderIdentity === identity;
    const transitions = before?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: mine ? (before.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: before && !mine ? transitions + 1 : transitions,
    };
  }

  #see(lease: Lease): void {
    if (lease.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion) this.#seenAt = performance.now();
    this.#seen = lease;
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === this.leader) return;
    this.leader = holder;
    if (holder) this.#options.onLeader?.(holder);
  }

  /** Leads until the deadline, counted from when the renewal was sent: others count from when they saw it. */
  #won(sentAt: number): void {
    clearTimeout(this.#deadline);
    const left = this.#options.renewDeadlineMs - (performance.now() - sentAt);
    this.#deadline = setTimeout(() => this.#lose(), Math.max(0, left));
    if (this.#term || this.#stopping.signal.aborted) return;
    this.#term = new AbortController();
    this.#options.onLead(this.#term.signal);
  }

  #lose(): void {
    clearTimeout(this.#deadline);
    const term = this.#term;
    if (!term) return;
    this.#term = undefined;
    term.abort();
    this.#options.onLost?.();
  }

  async #release(): Promise<void> {
    const { namespace, name, identity } = this.#options;
    const signal = AbortSignal.timeout(5000);
    try {
      const lease = await this.#client.get(LEASES, { namespace, name }, { signal });
      if (lease?.spec?.holderIdentity !== identity) return;
      const { acquireTime = microTime(), leaseTransitions = 0 } = lease.spec;
      const spec = {
        holderIdentity: '',
        leaseDurationSeconds: 1,
        acquireTime,
        renewTime: microTime(),
        leaseTransitions,
      };
      this.#see(await this.#client.replace(LEASES, { ...lease, spec }, { signal }));
    } catch (error) {
      this.#options.onError?.(KubeError.of(error, 'RETINA_KUBE_UNREACHABLE', 'The lease cannot be given up'));
    }
  }
}

/** RFC 3339 with six digits, as `metav1.MicroTime` wants them. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
