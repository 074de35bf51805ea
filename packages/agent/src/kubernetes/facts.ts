import type { Workload } from './workload.ts';

/** What is kept of a pod, or of the RetinaEndpoint that stands for one. */
export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly workloads: readonly Workload[];
  /** Name of its node, where the object says it. */
  readonly node?: string;
  /** Address of its node, where the object says only that. */
  readonly nodeAddress?: string;
  /** It carries `retina.sh: observe`. */
  readonly annotated: boolean;
  /** Its labels are those of `kubernetes.podSelector`. */
  readonly selected: boolean;
  /** Of a pod on this node: which run of it this is. */
  readonly incarnation?: string;
}

export interface NodeFacts {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly zone: string;
}

export interface ServiceFacts {
  readonly namespace: string;
  readonly name: string;
  readonly clusterAddresses: readonly string[];
  /** External addresses and those of load balancers: others may be reached by them as well. */
  readonly otherAddresses: readonly string[];
  /** Undefined for none. */
  readonly selector?: readonly (readonly [key: string, value: string])[];
  readonly nodePorts: readonly { readonly protocol: number; readonly port: number }[];
  /** The API server's: ports of `default/kubernetes`. */
  readonly apiPorts?: readonly number[];
}

/** A piece of a service's backends. */
export interface SliceFacts {
  readonly namespace: string;
  readonly service: string;
  /** `namespace/name` of pods. */
  readonly pods: readonly string[];
  /** Of backends that are no pods. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

export interface NamespaceFacts {
  readonly annotated: boolean;
  readonly selected: boolean;
}
