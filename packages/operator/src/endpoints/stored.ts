import type { RetinaEndpoint } from '@retina/kube';
import { canonical } from '../canonical.ts';
import { digestOf, type PodEndpoint } from './endpoint-of-pod.ts';

/** Who maintains it; agents and people can select by it. */
const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'retina-operator' } as const;

/** What is remembered of a RetinaEndpoint in the cluster. */
export interface Stored {
  readonly uid: string;
  readonly version: string;
  readonly digest: string;
  /** What others put on it, which stays. Undefined for nearly all. */
  readonly foreign: Pick<RetinaEndpoint['metadata'], 'labels' | 'annotations' | 'finalizers'> | undefined;
  readonly ending: boolean;
}

export function storedOf(object: RetinaEndpoint): Stored {
  const { metadata, spec } = object;
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'Pod');
  // Without the label of the operator it is one that somebody else made: it becomes the operator's by being written.
  const managed = Object.entries(MANAGED_BY).every(([key, value]) => metadata.labels?.[key] === value);
  const labels = Object.fromEntries(Object.entries(metadata.labels ?? {}).filter(([key]) => !(key in MANAGED_BY)));
  const foreign = {
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(metadata.annotations && Object.keys(metadata.annotations).length > 0 && { annotations: metadata.annotations }),
    ...(metadata.finalizers?.length && { finalizers: metadata.finalizers }),
  };
  return {
    uid: metadata.uid ?? '',
    version: metadata.resourceVersion ?? '',
    digest: managed && owner ? digestOf(canonical(spec), owner.uid) : '',
    foreign: Object.keys(foreign).length > 0 ? foreign : undefined,
    ending: metadata.deletionTimestamp !== undefined,
  };
}

/** The object to write. Its pod owns it, so that it goes with the pod even while no operator runs. */
export function objectOf(want: PodEndpoint, have?: Stored): RetinaEndpoint {
  const { foreign } = have ?? {};
  return {
    apiVersion: 'retina.sh/v1alpha1',
    kind: 'RetinaEndpoint',
    metadata: {
      namespace: want.namespace,
      name: want.name,
      ...(have && { uid: have.uid, resourceVersion: have.version }),
      labels: { ...foreign?.labels, ...MANAGED_BY },
      ...(foreign?.annotations && { annotations: foreign.annotations }),
      ...(foreign?.finalizers && { finalizers: foreign.finalizers }),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: want.name, uid: want.uid }],
    },
    spec: JSON.parse(want.spec) as RetinaEndpoint['spec'],
  };
}

/** Whether `a` is older than `b`. The server's versions of one kind are comparable numbers; were they not, nothing is older. */
export function olderVersion(a: string, b: string): boolean {
  const [left, right] = [Number(a), Number(b)];
  return Number.isSafeInteger(left) && Number.isSafeInteger(right) && left < right;
}
