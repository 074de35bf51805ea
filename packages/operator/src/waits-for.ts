import type { Reflector } from '@retina/kube';

/** That a collection has not been read yet, and why; empty once it has. For readiness. */
export function waitsFor(name: string, reflector: Reflector<unknown> | undefined): string[] {
  if (reflector?.isSynced) return [];
  const { error } = reflector?.state ?? {};
  return [`list of ${name}${error ? ` (${error.message})` : ''}`];
}
