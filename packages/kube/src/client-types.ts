import type { KubeObject, ObjectMeta } from './objects.ts';
import type { Resource } from './resource.ts';

/** Which object, or collection, a request is for. */
export interface Target {
  /** Left out for what has no namespace, or for all namespaces. */
  readonly namespace?: string | undefined;
}

export interface NamedTarget extends Target {
  readonly name: string;
}

export interface ListOptions extends Target {
  /** Chosen by the server: `spec.nodeName=node1,status.phase!=Failed`. */
  readonly fieldSelector?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** Objects in one page; default 500. */
  readonly limit?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions {
  /** Aborts the request; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyOptions extends CallOptions {
  /** Who owns the fields; default: the client's user agent, up to the `/`. */
  readonly fieldManager?: string;
  /** Takes fields from other managers; default true, as a controller's own fields are its own. */
  readonly force?: boolean;
  /** `status` for the status alone. */
  readonly subresource?: 'status';
  /** Everything but storing it. */
  readonly dryRun?: boolean;
}

export interface PatchOptions extends CallOptions {
  readonly fieldManager?: string;
  readonly subresource?: 'status';
  readonly dryRun?: boolean;
}

/** What create, replace and apply send: as much of an object as is said. `apiVersion` and `kind` are filled in. */
export type Draft<T extends KubeObject> = Partial<Omit<T, 'metadata'>> & { readonly metadata: ObjectMeta };

/**
 * Talks to one API server with one user's rights. Every call that fails throws a {@link KubeError}. Refusals by rate
 * (429, and 503 with `Retry-After`) are obeyed and tried again up to `retries` times; of other failures only those of the
 * connection are tried again, and only for reads.
 */
export interface KubeClient {
  /** `https://10.96.0.1:443`. */
  readonly server: string;
  /** The context's namespace; in a cluster the pod's own. `default` where none is said. */
  readonly namespace: string;
  /** Where the configuration came from: a file, or the service account. */
  readonly source: string;
  /** Undefined if it is not there. */
  get<T extends KubeObject>(of: Resource<T>, at: NamedTarget, options?: CallOptions): Promise<T | undefined>;
  /** Page by page, object by object; the event loop runs on between objects. What breaks off half-way throws. */
  list<T extends KubeObject>(of: Resource<T>, options?: ListOptions): AsyncGenerator<T, void, void>;
  /** Throws with status 409 if it exists. */
  create<T extends KubeObject>(of: Resource<T>, object: Draft<T>, options?: PatchOptions): Promise<T>;
  /** Puts `object` in place of what has its `resourceVersion`; status 409 if that is no longer what is stored. */
  replace<T extends KubeObject>(of: Resource<T>, object: Draft<T>, options?: PatchOptions): Promise<T>;
  /** Server-side apply: creates it, or makes the fields given here what they are here. */
  apply<T extends KubeObject>(of: Resource<T>, object: Draft<T>, options?: ApplyOptions): Promise<T>;
  /** JSON merge patch; `null` removes a field. */
  patch<T extends KubeObject>(of: Resource<T>, at: NamedTarget, patch: unknown, options?: PatchOptions): Promise<T>;
  /** False if it was not there. */
  delete(
    of: Resource,
    at: NamedTarget,
    options?: CallOptions & { readonly propagation?: 'Background' | 'Foreground' | 'Orphan'; readonly uid?: string },
  ): Promise<boolean>;
  /** Whether this user may: SelfSubjectAccessReview. `verb` as in a role; `namespace` left out: everywhere. */
  can(verb: string, of: Resource, at?: Target & { readonly subresource?: string }): Promise<boolean>;
  /** Any other path, such as `/version` or `/readyz`: the parsed JSON, or the text. */
  raw(path: string, options?: CallOptions): Promise<unknown>;
  /** Requests sent so far by verb (`get list watch create update apply patch delete`) and outcome (status code or `error`). */
  readonly requests: ReadonlyMap<string, number>;
  /** Ends idle connections; running requests are aborted. */
  close(): void;
}

export interface KubeClientOptions {
  /** Path of a kubeconfig. Default: `KUBECONFIG` (a list of paths is merged), else the pod's service account, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined;
  /** Default: the current context. */
  readonly context?: string | undefined;
  /** `retina-agent/1.0`. */
  readonly userAgent?: string;
  /** Until the head of an answer has come, and between two pieces of it; milliseconds, default 30 000. */
  readonly timeoutMs?: number;
  /** How often a refused or interrupted request is tried again; default 5. */
  readonly retries?: number;
  /** Replaces the process' environment; for tests. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}
