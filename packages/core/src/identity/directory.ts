import type { Endpoint } from '@retina/sdk';
import { type EndpointSpec, toEndpoint, UNKNOWN_ENDPOINT } from './endpoint-spec.ts';

const MAX_REMEMBERED = 4096;

export type EndpointListener = (change: 'updated' | 'removed', id: number) => void;

/** Endpoints by id: those that are, and the last ones that were. */
export class EndpointDirectory {
  private readonly endpoints = new Map<number, Endpoint>();
  private readonly chosen = new Set<number>();
  private readonly remembered = new Map<number, Endpoint>();
  private readonly listeners = new Set<EndpointListener>();

  byId(id: number): Endpoint {
    return this.endpoints.get(id) ?? UNKNOWN_ENDPOINT;
  }

  /** As {@link byId}, but the last few thousand endpoints that are gone are still named. */
  recall(id: number): Endpoint {
    return this.endpoints.get(id) ?? this.remembered.get(id) ?? UNKNOWN_ENDPOINT;
  }

  /** Whether an annotation or a selector chose an endpoint. */
  observed(id: number): boolean {
    return this.chosen.has(id);
  }

  list(): IterableIterator<Endpoint> {
    return this.endpoints.values();
  }

  onChange(listener: EndpointListener): Disposable {
    this.listeners.add(listener);
    return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
  }

  tell(change: 'updated' | 'removed', id: number): void {
    for (const listener of this.listeners) listener(change, id);
  }

  describe(id: number, spec: EndpointSpec, addresses: readonly string[]): void {
    if (spec.observed) this.chosen.add(id);
    else this.chosen.delete(id);
    this.endpoints.set(id, toEndpoint(id, spec, addresses));
  }

  /** An endpoint is over. */
  remember(id: number): void {
    this.remembered.set(id, this.byId(id));
    this.endpoints.delete(id);
    this.chosen.delete(id);
    if (this.remembered.size > MAX_REMEMBERED) this.remembered.delete(this.remembered.keys().next().value!);
    this.tell('removed', id);
  }
}
