import type { KubeObject } from './objects.ts';
import type { Resource } from './resource.ts';
import type { KubeError } from './kube-error.ts';

/** What a reflector does now. */
export type ReflectorPhase =
  /** Reads everything; what is known from before stays valid meanwhile. */
  | 'listing'
  /** Follows every change. */
  | 'watching'
  /** Something failed; `error` says what, `retryInMs` when it is tried again. What is known stays. */
  | 'waiting'
  | 'stopped';

export interface ReflectorState {
  readonly phase: ReflectorPhase;
  readonly error?: KubeError;
  readonly retryInMs?: number;
}

/** Counts since the start. */
export interface ReflectorCounts {
  lists: number;
  pages: number;
  watches: number;
  events: number;
  bookmarks: number;
  /** Lists after the first. */
  relists: number;
  /** Watches that were left because nothing came, not even a bookmark. */
  idle: number;
  /** Failures, by cause: a status code, or `connection`, `malformed`, `credentials`, `handler`. */
  readonly failures: Map<string, number>;
  /** Bytes of lists and watches. */
  bytes: number;
}

export interface ReflectOptions<T extends KubeObject, S> {
  readonly resource: Resource<T>;
  /** Left out: all namespaces. */
  readonly namespace?: string | undefined;
  /** `spec.nodeName=node1`: the server sends no others. */
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** Objects in one page of a list; default 500. */
  readonly pageSize?: number;
  /**
   * The first list may be what the server has at hand, at most seconds old, and comes in one piece. For the few that a selector
   * leaves of many: before Kubernetes 1.31 a server reads all of them from etcd to find these. What has changed since, the watch tells.
   */
  readonly fromCache?: boolean;
  /** What to keep of an object; the rest is garbage at once. Keep copies of fields, not the object. Undefined: as if it did not exist. */
  readonly trim: (object: T) => S | undefined;
  /** An object is new or has changed. `before` is what {@link trim} gave last time. Runs synchronously, on every event. */
  readonly onUpsert?: (value: S, key: string, before: S | undefined) => void;
  /**
   * An object is gone, or was replaced by another one of the same name (then `onUpsert` follows, with no `before`).
   */
  readonly onDelete?: (value: S, key: string) => void;
  /** Everything that existed when the list was made has been reported; once for every list. */
  readonly onSynced?: () => void;
  readonly onState?: (state: ReflectorState) => void;
  /**
   * A watch on which nothing came for so long, not even a bookmark (one a minute, where anything happened since the server
   * began), is left for a new one; default 150 000. A peer that is gone is noticed by TCP, within half a minute.
   */
  readonly idleTimeoutMs?: number;
  /** A watch is ended by the server after seconds between these, so that not all of them end together. Default 240 and 480. */
  readonly watchSeconds?: readonly [least: number, most: number];
  /** First pause after a failure, and the longest one; each doubles, with jitter of half. Default 500 and 30 000. */
  readonly backoffMs?: readonly [first: number, longest: number];
}

/** A copy of one collection of the API server, kept up to date. Keys are `namespace/name`, or `name`. */
export interface Reflector<S> {
  /** What is known. Live: do not change it. */
  readonly store: ReadonlyMap<string, S>;
  /** Resolves once everything that exists has been seen; rejects if it is stopped before. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  readonly state: ReflectorState;
  readonly counts: ReflectorCounts;
  /** Ends the watch; no handler runs after it returns. */
  stop(): void;
}
