import { createHash } from 'node:crypto';
import type { OwnerReference, Pod, RetinaEndpointSpec } from '@retina/kube';
import { canonical } from '../canonical.ts';

/** What of a pod becomes a RetinaEndpoint, as compact as ten thousand of them should be. */
export interface PodEndpoint {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The spec as JSON with sorted keys. */
  readonly spec: string;
  /** Changes exactly when spec or pod do. */
  readonly digest: string;
}

/** Says who owns a workload, for one that is no top owner; undefined if nobody does, or if that is not known. */
export type OwnerOf = (kind: string, namespace: string, name: string) => Owner | undefined;

export interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/** Annotations of pods that mean something to Retina. The others, which may be a quarter of a megabyte, would go to every agent. */
const OURS = /^retina\.sh(\/|$)/;
const TEMPLATE_HASH = 'pod-template-hash';

/**
 * The RetinaEndpoint a pod asks for. Undefined for pods that own no address: not yet scheduled, over, or in their node's
 * network, where the address is the node's.
 */
export function endpointOfPod(pod: Pod, ownerOf: OwnerOf = () => undefined): PodEndpoint | undefined {
  const { namespace, name, uid } = pod.metadata;
  const { status } = pod;
  if (!namespace || !name || !uid || pod.spec.hostNetwork) return undefined;
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const addresses = [
    ...new Set([...(status?.podIP ? [status.podIP] : []), ...(status?.podIPs ?? []).map(({ ip }) => ip)]),
  ];
  if (addresses.length === 0) return undefined;
  const owner = topOwner(pod, ownerOf);
  const annotations = Object.entries(pod.metadata.annotations ?? {}).filter(([key]) => OURS.test(key));
  const labels = Object.entries(pod.metadata.labels ?? {});
  const spec: RetinaEndpointSpec = {
    containers: (status?.containerStatuses ?? []).map((c) => ({ name: c.name, id: c.containerID ?? '' })),
    ...(owner && { ownerReferences: [owner] }),
    ...(status?.hostIP && { nodeIP: status.hostIP }),
    podIP: addresses[0]!,
    podIPs: addresses,
    ...(labels.length > 0 && { labels: Object.fromEntries(labels) }),
    ...(annotations.length > 0 && { annotations: Object.fromEntries(annotations) }),
  };
  const text = canonical(spec);
  return { namespace, name, uid, spec: text, digest: digestOf(text, uid) };
}

/** Identifies what a RetinaEndpoint says and of which pod. */
export function digestOf(spec: string, podUid: string): string {
  return createHash('sha1').update(podUid).update('\0').update(spec).digest('base64');
}

/**
 * The workload a person would name: a Deployment rather than its ReplicaSet, a CronJob rather than its Job. ReplicaSets of
 * Deployments are told by their hash, without reading them: the Deployment controller names them so.
 */
function topOwner(pod: Pod, ownerOf: OwnerOf): Owner | undefined {
  const owners = pod.metadata.ownerReferences ?? [];
  const direct: OwnerReference | undefined = owners.find(({ controller }) => controller) ?? owners[0];
  if (!direct) return undefined;
  const { apiVersion, kind, name } = direct;
  if (kind === 'ReplicaSet') {
    const hash = pod.metadata.labels?.[TEMPLATE_HASH];
    if (hash && name.endsWith(`-${hash}`) && name.length > hash.length + 1) {
      return { apiVersion: 'apps/v1', kind: 'Deployment', name: name.slice(0, -hash.length - 1) };
    }
  }
  return ownerOf(kind, pod.metadata.namespace ?? '', name) ?? { apiVersion, kind, name };
}
