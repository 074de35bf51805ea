import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from './backoff.ts';
import { transportOf } from './client.ts';
import type { KubeClient } from './client-types.ts';
import { KubeError } from './kube-error.ts';
import { listPage } from './list-page.ts';
import { keyOf, Mirror } from './mirror.ts';
import type { KubeObject } from './objects.ts';
import type { Reflector, ReflectorCounts, ReflectorState, ReflectOptions } from './reflector-types.ts';
import { refusal } from './refusal.ts';
import { pathOf, query } from './resource.ts';
import { turns } from './slice.ts';
import type { Transport } from './transport.ts';
import { type WatchEvent, watchEvents } from './watch-events.ts';

/** A watch that ended before is a failure, so that it is not asked for again at once. */
const SHORT_WATCH_MS = 1000;
/** After so many lists whose token expired half-way, a list is asked for in one piece. */
const EXPIRED_LISTS = 3;

/** Lists and then watches a collection; goes on through every failure until it is stopped. */
export function reflect<T extends KubeObject, S>(client: KubeClient, options: ReflectOptions<T, S>): Reflector<S> {
  const reflection = new Reflection(client, options);
  void reflection.run();
  return reflection;
}

class Reflection<T extends KubeObject, S> implements Reflector<S> {
  readonly synced: Promise<void>;
  readonly counts: ReflectorCounts = {
    lists: 0, pages: 0, watches: 0, events: 0, bookmarks: 0, relists: 0, idle: 0, failures: new Map(), bytes: 0,
  }; // prettier-ignore
  isSynced = false;
  state: ReflectorState = { phase: 'listing' };
  readonly #options: ReflectOptions<T, S>;
  readonly #transport: Transport;
  readonly #server: string;
  readonly #what: string;
  readonly #count = (bytes: number) => void (this.counts.bytes += bytes);
  readonly #mirror: Mirror<T, S>;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  readonly #resolveSynced: () => void;
  readonly #rejectSynced: (error: Error) => void;
  /** Where the watch resumes; `''` if everything must be listed. */
  #version = '';
  #expiredLists = 0;

  constructor(client: KubeClient, options: ReflectOptions<T, S>) {
    this.#options = options;
    this.#transport = transportOf(client);
    this.#server = client.server;
    this.#what = options.resource.plural;
    this.#backoff = new Backoff(options.backoffMs ?? [500, 30_000]);
    this.#mirror = new Mirror(options, (error) => this.#failed('handler', error));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.synced = promise;
    promise.catch(() => undefined); // nobody need wait for it
    this.#resolveSynced = resolve;
    this.#rejectSynced = reject;
  }

  get store(): ReadonlyMap<string, S> {
    return this.#mirror.store;
  }

  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#rejectSynced(new Error('the reflector was stopped before it had seen everything'));
    this.#enter({ phase: 'stopped' });
  }

  async run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (!this.#version) await this.#list();
        await this.#watch();
      } catch (thrown) {
        if (signal.aborted) return;
        if (this.state.phase === 'watching' && isIdle(thrown)) {
          this.counts.idle++;
          continue;
        }
        const error = KubeError.of(thrown, 'RETINA_KUBE_UNREACHABLE', `${this.#what} cannot be followed`);
        this.#recover(error);
        const retryInMs = this.#backoff.next(error.retryAfterMs);
        this.#enter({ phase: 'waiting', error, retryInMs });
        await sleep(retryInMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Reads every page, then lets go of what was in none. */
  async #list(): Promise<void> {
    this.#enter({ phase: 'listing' });
    if (this.counts.lists++ > 0) this.counts.relists++;
    const { fieldSelector, labelSelector, pageSize = 500, fromCache } = this.#options;
    const first = fromCache && this.counts.lists === 1;
    const limit = this.#expiredLists < EXPIRED_LISTS ? pageSize : undefined;
    const seen = new Set<string>();
    let [next, version] = ['', ''];
    do {
      const from = next ? { continue: next } : { resourceVersion: first ? '0' : undefined };
      const search = { fieldSelector, labelSelector, limit, ...from };
      const response = await this.#get('list', search);
      this.counts.pages++;
      const items = listPage<T>(response, `list ${this.#what}`, this.#server, this.#count);
      let item = await items.next();
      for (; !item.done; item = await items.next()) {
        if (this.#stopping.signal.aborted) return;
        seen.add(this.#mirror.upsert(item.value));
      }
      next = item.value.continue;
      version ||= item.value.resourceVersion;
    } while (next);
    if (this.#stopping.signal.aborted) return;
    for (const key of this.#mirror.beside(seen)) {
      this.#mirror.remove(key);
      if (turns.over) await turns.pause();
      if (this.#stopping.signal.aborted) return;
    }
    this.#version = version;
    this.#expiredLists = 0;
    this.isSynced = true;
    this.#resolveSynced();
    try {
      this.#options.onSynced?.();
    } catch (error) {
      this.#failed('handler', error);
    }
  }

  /** Follows until the server ends it, which is no failure. */
  async #watch(): Promise<void> {
    const { fieldSelector, labelSelector, idleTimeoutMs = 150_000, watchSeconds = [240, 480] } = this.#options;
    const [least, most] = watchSeconds;
    const timeoutSeconds = Math.round(least + Math.random() * (most - least));
    const since = { resourceVersion: this.#version, allowWatchBookmarks: 'true', timeoutSeconds, watch: '1' };
    const response = await this.#get('watch', { fieldSelector, labelSelector, ...since }, idleTimeoutMs);
    const started = performance.now();
    this.counts.watches++;
    this.#enter({ phase: 'watching' });
    try {
      for await (const event of watchEvents(response, `watch ${this.#what}`, this.#server, this.#count)) {
        if (this.#stopping.signal.aborted) return;
        this.#take(event);
      }
    } finally {
      if (performance.now() - started >= SHORT_WATCH_MS) this.#backoff.reset();
    }
    if (performance.now() - started < SHORT_WATCH_MS) throw new Error('the watch was ended at once');
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw refusal(`watch ${this.#what}`, object);
    const { metadata } = object as KubeObject;
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        this.counts.events++;
        this.#mirror.upsert(object as T);
        break;
      case 'DELETED':
        this.counts.events++;
        this.#mirror.remove(keyOf(object as KubeObject));
        break;
      case 'BOOKMARK':
        this.counts.bookmarks++;
        break;
      default:
        return; // of a later API
    }
    if (metadata?.resourceVersion) this.#version = metadata.resourceVersion;
  }

  /** What is to be forgotten after a failure. */
  #recover(error: KubeError): void {
    this.#failed(causeOf(error), error);
    const unreadable = error.reason === 'Malformed' || error.reason === 'TooLarge'; // it would come again
    // A server that was restored from a backup waits for versions that will not come: 504.
    if (error.status === 410 || error.status === 504 || unreadable) {
      if (!this.#version) this.#expiredLists++;
      this.#version = '';
    }
  }

  #get(verb: 'list' | 'watch', search: Parameters<typeof query>[0], idleMs?: number): Promise<IncomingMessage> {
    const { resource, namespace } = this.#options;
    const path = pathOf(resource, namespace) + query(search);
    const { signal } = this.#stopping;
    return this.#transport.send({ verb, method: 'GET', path, signal, ...(idleMs ? { idleMs } : {}) });
  }

  #failed(cause: string, error: unknown): void {
    const { failures } = this.counts;
    failures.set(cause, (failures.get(cause) ?? 0) + 1);
    if (cause !== 'handler') return;
    const failure = KubeError.of(error, 'RETINA_HANDLER_FAILED', `A handler of ${this.#what} failed`);
    this.#enter({ ...this.state, error: failure });
  }

  #enter(state: ReflectorState): void {
    this.state = state;
    try {
      this.#options.onState?.(state);
    } catch {
      // An observer's mistake is its own.
    }
  }
}

function causeOf({ status, reason, code }: KubeError): string {
  if (status) return String(status);
  if (reason) return 'malformed';
  return code === 'RETINA_KUBE_CONFIG' ? 'credentials' : 'connection';
}

/** A watch fell silent; where the server is gone, the next request will tell. */
function isIdle(thrown: unknown): boolean {
  return thrown instanceof KubeError && (thrown.cause as NodeJS.ErrnoException | undefined)?.code === 'IDLE';
}
