import { JOBS, type Job, KubeError, type KubeClient, type Pod, PODS, reflect, type Reflector, RETINA_ENDPOINTS, type RetinaEndpoint } from '@retina/kube'; // prettier-ignore
import type { Logger } from '@retina/sdk';
import type { OperatorMetrics } from '../metrics.ts';
import { waitsFor } from '../waits-for.ts';
import { endpointOfPod, type Owner, type PodEndpoint } from './endpoint-of-pod.ts';
import { objectOf, olderVersion, type Stored, storedOf } from './stored.ts';
import { type Verdict, WorkQueue } from './work-queue.ts';

export interface EndpointSyncOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  readonly writesPerSecond: number;
  readonly concurrency: number;
  readonly resyncMs: number;
}

/** A name may come a tenth of a second later; it saves a fifth of the CPU time of 100 changes a second. */
const GATHER_MS = 100;

/**
 * Keeps one RetinaEndpoint for each pod that has an address. What pods ask for is compared with what is stored, whatever
 * the reason for looking: a pod's change, somebody else's change to a RetinaEndpoint, a reading of everything.
 */
export class EndpointSync {
  private readonly options: EndpointSyncOptions;
  private readonly queue: WorkQueue;
  private readonly stored = new Map<string, Stored>();
  private pods: Reflector<PodEndpoint> | undefined;
  private endpoints: Reflector<Stored> | undefined;
  private jobs: Reflector<Owner> | undefined;
  private signal: AbortSignal | undefined;

  constructor(options: EndpointSyncOptions) {
    this.options = options;
    this.queue = new WorkQueue({
      work: (key, write) => this.reconcile(key, write),
      onError: (key, error, attempt) => this.failed(key, error, attempt),
      concurrency: options.concurrency,
      rate: options.writesPerSecond,
      burst: 2 * options.writesPerSecond,
      gatherMs: GATHER_MS,
    });
  }

  /** What is not read yet, for readiness; empty when everything is known. */
  get waitsFor(): string[] {
    const all = { pods: this.pods, retinaendpoints: this.endpoints, jobs: this.jobs };
    return Object.entries(all).flatMap(([name, reflector]) => waitsFor(name, reflector));
  }

  /** Runs until `signal` aborts, and returns when nothing is being written any more. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, log, metrics, resyncMs } = this.options;
    if (signal.aborted) return;
    this.signal = signal;
    const trouble = (resource: string) => (state: { error?: Error }) => {
      if (state.error) log.warn('cannot read', { resource, error: state.error.message });
    };
    this.jobs = reflect<Job, Owner>(client, {
      resource: JOBS,
      trim: ({ metadata }) => ownerOf(metadata.ownerReferences?.find(({ controller }) => controller)),
      onState: trouble('jobs'),
    });
    signal.addEventListener('abort', () => this.jobs?.stop(), { once: true });
    try {
      // A Job is there before its pods: whoever reads it first knows their CronJob.
      await this.jobs.synced;
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    this.pods = reflect<Pod, PodEndpoint>(client, {
      resource: PODS,
      trim: (pod) => endpointOfPod(pod, (kind, namespace, name) => this.owner(kind, namespace, name)),
      onUpsert: (_pod, key) => this.look(key),
      onDelete: (_pod, key) => this.look(key),
      onState: trouble('pods'),
    });
    this.endpoints = reflect<RetinaEndpoint, Stored>(client, {
      resource: RETINA_ENDPOINTS,
      trim: (object) => this.known(object) ?? storedOf(object),
      onUpsert: (stored, key) => this.seen(key, stored),
      onDelete: (stored, key) => this.vanished(key, stored),
      onState: trouble('retinaendpoints'),
    });
    const reflectors = { pods: this.pods, retinaendpoints: this.endpoints, jobs: this.jobs };
    const stopReading = metrics.reading(() => {
      metrics.pods.set(this.pods?.store.size ?? 0);
      metrics.endpoints.set(this.stored.size);
      metrics.queueLength.set(this.queue.length);
      metrics.queueOldest.set(this.queue.oldestMs / 1000);
      metrics.coalesced.set(this.queue.coalesced);
      for (const [name, { counts }] of Object.entries(reflectors)) {
        metrics.relists.set(counts.relists, name);
        metrics.watchEvents.set(counts.events, name);
      }
    });
    const resync = setInterval(() => this.resync(), resyncMs);
    const stop = () => Object.values(reflectors).forEach((reflector) => reflector.stop());
    signal.addEventListener('abort', stop, { once: true });
    try {
      // Nothing is written before everything is known: what is not listed yet is no garbage.
      await Promise.all(Object.values(reflectors).map(({ synced }) => synced));
      log.info('everything is read', { pods: this.pods.store.size, retinaEndpoints: this.stored.size });
      this.resync();
      await this.queue.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      clearInterval(resync);
      stop();
      stopReading();
    }
  }

  /** Compares everything: what was missed for whatever reason is made good. */
  private resync(): void {
    const { pods, endpoints, jobs } = this;
    if (!pods?.isSynced || !endpoints?.isSynced || !jobs?.isSynced) return;
    for (const key of this.stored.keys()) this.look(key);
    for (const key of pods.store.keys()) this.look(key);
    this.options.metrics.resyncs.add(1);
  }

  private look(key: string): void {
    if (this.due(key)) this.queue.add(key);
  }

  private due(key: string): boolean {
    const want = this.pods?.store.get(key);
    const have = this.stored.get(key);
    if (have?.ending) return false; // its deletion brings it here again
    return want?.digest !== have?.digest;
  }

  /** What its own writing brought already, which a watch brings again. */
  private known({ metadata }: RetinaEndpoint): Stored | undefined {
    const known = this.stored.get(`${metadata.namespace}/${metadata.name}`);
    return known?.uid === metadata.uid && known?.version === metadata.resourceVersion ? known : undefined;
  }

  private seen(key: string, stored: Stored): void {
    const known = this.stored.get(key);
    // A watch may still bring what was there before the last write.
    if (known && known.uid === stored.uid && olderVersion(stored.version, known.version)) return;
    this.stored.set(key, stored);
    this.look(key);
  }

  private vanished(key: string, stored: Stored): void {
    if (this.stored.get(key)?.uid !== stored.uid) return;
    this.stored.delete(key);
    this.look(key);
  }

  private async reconcile(key: string, write: () => Promise<void>): Promise<void> {
    if (!this.due(key)) return;
    await write();
    const { client, metrics } = this.options;
    const { signal } = this;
    const want = this.pods?.store.get(key);
    const have = this.stored.get(key);
    const began = performance.now();
    if (want && have) {
      this.stored.set(key, storedOf(await client.replace(RETINA_ENDPOINTS, objectOf(want, have), { signal })));
      metrics.writes.add(1, 'update');
    } else if (want) {
      this.stored.set(key, storedOf(await client.create(RETINA_ENDPOINTS, objectOf(want), { signal })));
      metrics.writes.add(1, 'create');
    } else if (have) {
      const [namespace, name] = split(key);
      await client.delete(RETINA_ENDPOINTS, { namespace, name }, { uid: have.uid, signal });
      // With somebody's finalizer it stays a while; the watch tells when it is gone.
      if (have.foreign?.finalizers) this.stored.set(key, { ...have, ending: true });
      else this.stored.delete(key);
      metrics.writes.add(1, 'delete');
    }
    metrics.writeSeconds.add((performance.now() - began) / 1000);
    this.look(key);
  }

  private failed(key: string, error: unknown, attempt: number): Verdict {
    const { log, metrics } = this.options;
    const known = error instanceof KubeError ? error : undefined;
    metrics.failures.add(1, known ? String(known.status || 'connection') : 'other');
    // Somebody was faster: what the watch says next, or is read now, is what counts.
    if (known?.status === 409) {
      void this.refresh(key);
      return 'later';
    }
    if (known?.status === 404 && !this.pods?.store.has(key)) return 'drop';
    const said = { key, attempt, error: known?.message ?? String(error) };
    // A namespace that ends takes its pods along.
    if (known?.status === 403 && /terminat/i.test(`${known.reason} ${known.message}`)) {
      log.debug('the namespace ends', said);
      return 'later';
    }
    log.warn('cannot write a RetinaEndpoint', said);
    return known && (known.status < 400 || known.status === 401 || known.status === 403 || known.status === 429 || known.status >= 500) ? 'wait' : 'later'; // prettier-ignore
  }

  private async refresh(key: string): Promise<void> {
    const [namespace, name] = split(key);
    const now = await this.options.client
      .get(RETINA_ENDPOINTS, { namespace, name }, { signal: this.signal })
      .catch(() => undefined);
    if (now) this.seen(key, storedOf(now));
  }

  private owner(kind: string, namespace: string, name: string): Owner | undefined {
    return kind === 'Job' ? this.jobs?.store.get(`${namespace}/${name}`) : undefined;
  }
}

function ownerOf(reference: Owner | undefined): Owner | undefined {
  return reference && { apiVersion: reference.apiVersion, kind: reference.kind, name: reference.name };
}

function split(key: string): [namespace: string, name: string] {
  const at = key.indexOf('/');
  return [key.slice(0, at), key.slice(at + 1)];
}
