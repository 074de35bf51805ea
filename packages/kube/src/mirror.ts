import type { KubeObject } from './objects.ts';
import type { ReflectOptions } from './reflector-types.ts';

type Handlers<T extends KubeObject, S> = Pick<ReflectOptions<T, S>, 'trim' | 'onUpsert' | 'onDelete'>;

/** What is kept of a collection, and which version of each object it is from. */
export class Mirror<T extends KubeObject, S> {
  readonly store = new Map<string, S>();
  /** `uid/resourceVersion`. */
  readonly #versions = new Map<string, string>();
  readonly #handlers: Handlers<T, S>;
  readonly #onFailure: (error: unknown) => void;

  /** `onFailure` hears what a handler threw; the others go on. */
  constructor(handlers: Handlers<T, S>, onFailure: (error: unknown) => void) {
    this.#handlers = handlers;
    this.#onFailure = onFailure;
  }

  /** Takes an object in; its key. One that is known in this version is left alone. */
  upsert(object: T): string {
    const { uid = '', resourceVersion = '' } = object.metadata;
    const key = keyOf(object);
    const version = `${uid}/${resourceVersion}`;
    const known = this.#versions.get(key);
    if (known === version) return key;
    if (known !== undefined && !known.startsWith(`${uid}/`)) this.remove(key); // another one of the same name
    const value = this.#try(() => this.#handlers.trim(object));
    if (value === undefined) {
      this.remove(key);
      return key;
    }
    const before = this.store.get(key);
    this.store.set(key, value);
    this.#versions.set(key, version);
    this.#try(() => this.#handlers.onUpsert?.(value, key, before));
    return key;
  }

  remove(key: string): void {
    const value = this.store.get(key);
    if (value === undefined) return;
    this.store.delete(key);
    this.#versions.delete(key);
    this.#try(() => this.#handlers.onDelete?.(value, key));
  }

  /** What is kept and not among `keys`. */
  beside(keys: ReadonlySet<string>): string[] {
    return [...this.store.keys()].filter((key) => !keys.has(key));
  }

  #try<R>(run: () => R): R | undefined {
    try {
      return run();
    } catch (error) {
      this.#onFailure(error);
      return undefined;
    }
  }
}

/** `namespace/name`, or `name` for what has no namespace. */
export function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace ? `${metadata.namespace}/${metadata.name}` : (metadata.name ?? '');
}
