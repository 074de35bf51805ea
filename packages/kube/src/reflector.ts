import type { KubeClient } from './client-types.ts';
import type { KubeObject } from './objects.ts';
import type { Reflector, ReflectOptions } from './reflector-types.ts';

/** Lists and then watches a collection; goes on through every failure until it is stopped. */
export function reflect<T extends KubeObject, S>(_client: KubeClient, _options: ReflectOptions<T, S>): Reflector<S> {
  throw new Error('soon');
}
