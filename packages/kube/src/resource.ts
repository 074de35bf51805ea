import type {
  CustomResourceDefinition,
  EndpointSlice,
  Job,
  KubeEvent,
  KubeObject,
  Lease,
  Namespace,
  Node,
  Pod,
  Service,
  Workload,
} from './objects.ts';

/** One kind of object of the API, and where it is served. `T` is what its objects look like. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** `''` for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in the path: `pods`. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Carries the type only; never set. */
  readonly object?: T;
}

/** Describes a resource: `resource<Pod>('', 'v1', 'pods', 'Pod')`. */
export function resource<T extends KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): Resource<T> {
  return { group, version, plural, kind, namespaced };
}

export const PODS = resource<Pod>('', 'v1', 'pods', 'Pod');
export const NODES = resource<Node>('', 'v1', 'nodes', 'Node', false);
export const SERVICES = resource<Service>('', 'v1', 'services', 'Service');
export const NAMESPACES = resource<Namespace>('', 'v1', 'namespaces', 'Namespace', false);
export const ENDPOINT_SLICES = resource<EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice');
export const REPLICA_SETS = resource<Workload>('apps', 'v1', 'replicasets', 'ReplicaSet');
export const DEPLOYMENTS = resource<Workload>('apps', 'v1', 'deployments', 'Deployment');
export const JOBS = resource<Job>('batch', 'v1', 'jobs', 'Job');
export const LEASES = resource<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const EVENTS = resource<KubeEvent>('events.k8s.io', 'v1', 'events', 'Event');
export const CUSTOM_RESOURCE_DEFINITIONS = resource<CustomResourceDefinition>(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);

/** `v1`, `apps/v1`. */
export function apiVersionOf({ group, version }: Resource): string {
  return group ? `${group}/${version}` : version;
}

/** Where an object, or with no name the collection, is served. */
export function pathOf(at: Resource, namespace?: string, name?: string): string {
  const root = at.group ? `/apis/${at.group}/${at.version}` : `/api/${at.version}`;
  const inside = at.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${inside}/${at.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** `?a=1&b=2`, of what is defined; `''` if nothing is. */
export function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) search.set(key, String(value));
  const text = search.toString();
  return text && `?${text}`;
}
