import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ApplyOptions,
  CallOptions,
  Draft,
  KubeClient,
  KubeClientOptions,
  ListOptions,
  NamedTarget,
  PatchOptions,
  Target,
} from './client-types.ts';
import { KubeError } from './kube-error.ts';
import { type Access, loadAccess } from './kubeconfig.ts';
import { listPage } from './list-page.ts';
import type { KubeObject, ObjectMeta } from './objects.ts';
import { apiVersionOf, pathOf, query, type Resource } from './resource.ts';
import { unreachable } from './refusal.ts';
import { type Call, readAll, Transport } from './transport.ts';

const PAGE = 500;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** A client from `KUBECONFIG`, the pod's service account, or `~/.kube/config`, in this order. Throws where there is none. */
export function kubeClient(options: KubeClientOptions = {}): KubeClient {
  return new Client(loadAccess(options), options);
}

/** How a reflector reaches what lies below a client. */
export function transportOf(client: KubeClient): Transport {
  if (client instanceof Client) return client.transport;
  throw new TypeError('a client that kubeClient() made is needed');
}

type Named = { readonly metadata: ObjectMeta };

class Client implements KubeClient {
  readonly server: string;
  readonly namespace: string;
  readonly source: string;
  readonly transport: Transport;
  readonly #retries: number;
  readonly #manager: string;

  constructor(access: Access, options: KubeClientOptions) {
    const { userAgent = 'retina', timeoutMs = 30_000, retries = 5 } = options;
    this.server = access.server.origin;
    this.namespace = access.namespace;
    this.source = access.source;
    this.#retries = retries;
    this.#manager = userAgent.split('/', 1)[0]!;
    this.transport = new Transport(access, { userAgent, timeoutMs });
  }

  get requests(): ReadonlyMap<string, number> {
    return this.transport.requests;
  }

  async get<T extends KubeObject>(of: Resource<T>, at: NamedTarget, options: CallOptions = {}): Promise<T | undefined> {
    const path = pathOf(of, at.namespace, at.name);
    return absent(this.#json<T>({ verb: 'get', method: 'GET', path, ...options }));
  }

  async *list<T extends KubeObject>(of: Resource<T>, options: ListOptions = {}): AsyncGenerator<T, void, void> {
    const { fieldSelector, labelSelector, limit = PAGE, signal } = options;
    let page: string | undefined;
    do {
      const search = query({ fieldSelector, labelSelector, limit, continue: page });
      const path = pathOf(of, options.namespace) + search;
      const call: Call = { verb: 'list', method: 'GET', path, signal };
      const response = await this.#retried(call, () => this.transport.send(call));
      const end = yield* listPage<T>(response, `list ${of.plural}`, this.server);
      page = end.continue;
    } while (page);
  }

  create<T extends KubeObject>(of: Resource<T>, object: Draft<T>, options: PatchOptions = {}): Promise<T> {
    const path = pathOf(of, this.#namespaceOf(of, object)) + this.#writing(options);
    return this.#json({ verb: 'create', method: 'POST', path, ...this.#body(of, object), signal: options.signal });
  }

  replace<T extends KubeObject>(of: Resource<T>, object: Draft<T>, options: PatchOptions = {}): Promise<T> {
    const path = this.#pathFor(of, object, options) + this.#writing(options);
    return this.#json({ verb: 'update', method: 'PUT', path, ...this.#body(of, object), signal: options.signal });
  }

  apply<T extends KubeObject>(of: Resource<T>, object: Draft<T>, options: ApplyOptions = {}): Promise<T> {
    const force = (options.force ?? true) ? 'true' : undefined;
    const path = this.#pathFor(of, object, options) + this.#writing(options, { force });
    const { body } = this.#body(of, object); // JSON is YAML
    const call: Call = { verb: 'apply', method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' };
    return this.#json({ ...call, signal: options.signal });
  }

  patch<T extends KubeObject>(
    of: Resource<T>,
    at: NamedTarget,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<T> {
    const subresource = options.subresource ? `/${options.subresource}` : '';
    const path = pathOf(of, at.namespace, at.name) + subresource + this.#writing(options);
    const contentType = 'application/merge-patch+json';
    const body = JSON.stringify(patch);
    return this.#json({ verb: 'patch', method: 'PATCH', path, body, contentType, signal: options.signal });
  }

  async delete(
    of: Resource,
    at: NamedTarget,
    options: CallOptions & { propagation?: 'Background' | 'Foreground' | 'Orphan'; uid?: string } = {},
  ): Promise<boolean> {
    const body = JSON.stringify({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(options.propagation ? { propagationPolicy: options.propagation } : {}),
      ...(options.uid ? { preconditions: { uid: options.uid } } : {}),
    });
    const path = pathOf(of, at.namespace, at.name);
    const call: Call = { verb: 'delete', method: 'DELETE', path, body, contentType: 'application/json' };
    return (await absent(this.#json({ ...call, signal: options.signal }))) !== undefined;
  }

  async can(verb: string, of: Resource, at: Target & { subresource?: string } = {}): Promise<boolean> {
    const { group, version, plural } = of;
    const about = { verb, group, version, resource: plural, namespace: at.namespace, subresource: at.subresource };
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' };
    const body = JSON.stringify({ ...review, spec: { resourceAttributes: about } });
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const call: Call = { verb: 'create', method: 'POST', path, body, contentType: 'application/json' };
    return (await this.#json<{ status?: { allowed?: boolean } }>(call)).status?.allowed === true;
  }

  async raw(path: string, options: CallOptions = {}): Promise<unknown> {
    const call: Call = { verb: 'get', method: 'GET', path, ...options };
    const text = await this.#text(call);
    return /^\s*[[{]/.test(text) ? JSON.parse(text) : text;
  }

  close(): void {
    this.transport.close();
  }

  #namespaceOf(of: Resource, { metadata }: Named): string | undefined {
    return of.namespaced ? (metadata.namespace ?? this.namespace) : undefined;
  }

  #pathFor(of: Resource, object: Named, { subresource }: PatchOptions): string {
    const { name } = object.metadata;
    if (!name) throw new TypeError(`${of.kind} has no metadata.name`);
    return pathOf(of, this.#namespaceOf(of, object), name) + (subresource ? `/${subresource}` : '');
  }

  #writing(
    { fieldManager = this.#manager, dryRun }: PatchOptions,
    more: Record<string, string | undefined> = {},
  ): string {
    return query({ fieldManager, dryRun: dryRun ? 'All' : undefined, ...more });
  }

  #body(of: Resource, object: Named): { body: string; contentType: string } {
    const body = JSON.stringify({ ...object, apiVersion: apiVersionOf(of), kind: of.kind });
    return { body, contentType: 'application/json' };
  }

  async #json<T>(call: Call): Promise<T> {
    return JSON.parse(await this.#text(call)) as T;
  }

  #text(call: Call): Promise<string> {
    return this.#retried(call, async () => {
      const response = await this.transport.send(call);
      try {
        return await readAll(response);
      } catch (error) {
        call.signal?.throwIfAborted();
        throw unreachable(`${call.verb} ${call.path}`, this.server, error);
      }
    });
  }

  async #retried<T>(call: Call, attempt: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof KubeError) || tries >= this.#retries || !mayRepeat(call, error)) throw error;
        const pause = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
        await sleep(Math.max(pause, error.retryAfterMs ?? 0), undefined, { signal: call.signal ?? undefined });
      }
    }
  }
}

/** What the server asked to be sent again, it has not done; what broke off, it may have done. */
function mayRepeat(call: Call, error: KubeError): boolean {
  if (error.status === 429) return true;
  if (error.status === 503 || error.status === 504) return call.method === 'GET' || error.retryAfterMs !== undefined;
  return error.code === 'RETINA_KUBE_UNREACHABLE' && call.method === 'GET';
}

async function absent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}
