import type { KubeError } from '@retina/kube';
import { RetinaError } from '@retina/sdk';
import type { Watch } from './watches.ts';

/** What problems of the cluster as a whole are known by in the host's health. */
export const SERVER = 'kubernetes';

/** What a problem of one collection is known by. */
export function problemKey({ name }: Watch): string {
  return `${SERVER} ${name}`;
}

/** The API server does not answer. */
export function unanswered(error: KubeError): RetinaError {
  return new RetinaError(error.code, 'the API server does not answer; names and settings stay as they are', {
    found: error.found ? `${error.summary}: ${error.found}` : error.summary,
    ...(error.next && { next: error.next }),
    retryable: true,
    cause: error,
  });
}

/** What is missing without a collection, before why. */
export function about({ name, resource }: Watch, error: KubeError): RetinaError {
  const next =
    error.status === 403
      ? `grant list and watch on ${resource.plural}${resource.group && ` of ${resource.group}`} to the agent's ClusterRole`
      : name === 'retinaendpoints' && error.status === 404
        ? 'install the operator, which defines and keeps RetinaEndpoints, or set kubernetes.source: pods'
        : error.next;
  return new RetinaError(error.code, `${name} of the cluster are not followed: ${error.summary}`, {
    ...(error.found && { found: error.found }),
    ...(error.needed && { needed: error.needed }),
    ...(next && { next }),
    retryable: true,
    cause: error,
  });
}

/** Whether asking again would most likely give the same answer: a right or a definition is missing. */
export function isRefusal({ status, gone }: KubeError): boolean {
  return status >= 400 && status < 500 && status !== 429 && !gone;
}
