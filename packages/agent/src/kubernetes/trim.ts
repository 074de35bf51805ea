import type { KubernetesConfig } from '@retina/core';
import type { EndpointSlice, Namespace, Node, Pod, RetinaEndpoint, Service } from '@retina/kube';
import type { NamespaceFacts, NodeFacts, PodFacts, ServiceFacts, SliceFacts } from './facts.ts';
import { matches } from './selector.ts';
import { Texts } from './texts.ts';
import { type Owner, type Workload, workloadsOf } from './workload.ts';

/** Labels kept of a pod: of more, the first in order of their names. */
const MAX_LABELS = 64;
const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const ZONES = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'];

export type TrimConfig = Pick<KubernetesConfig, 'annotations' | 'podSelector' | 'namespaceSelector'> & {
  readonly nodeName: string;
};

/** Makes of the API's objects what is kept of them. Pure, but that equal texts and lists become one. */
export class Trim {
  private readonly config: TrimConfig;
  private readonly texts = new Texts();

  constructor(config: TrimConfig) {
    this.config = config;
  }

  /**
   * Undefined where a pod has no address of its own: not yet, no longer (it has ended, though it is still listed), or never,
   * because it uses its node's: then its traffic is the node's, which many share.
   */
  readonly pod = ({ metadata, spec, status }: Pod): PodFacts | undefined => {
    if (!status || spec.hostNetwork || status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
    const addresses = distinct([...(status.podIPs ?? []).map(({ ip }) => ip), status.podIP]);
    const nodes = [status.hostIP, ...(status.hostIPs ?? []).map(({ ip }) => ip)];
    if (addresses.length === 0 || addresses.some((address) => nodes.includes(address))) return undefined;
    const { texts, config } = this;
    const mine = spec.nodeName === config.nodeName;
    const started = status.containerStatuses?.map(({ containerID = '' }) => containerID).join() ?? '';
    return {
      ...this.common(metadata.namespace, metadata.name, metadata.labels, metadata.annotations),
      workloads: this.workloads(metadata.ownerReferences, metadata.labels, metadata.creationTimestamp),
      addresses,
      ...(spec.nodeName && { node: texts.one(spec.nodeName) }),
      ...(mine && { incarnation: `${metadata.uid ?? ''} ${started}` }),
    };
  };

  readonly endpoint = ({ metadata, spec }: RetinaEndpoint): PodFacts | undefined => {
    const addresses = distinct([...(spec.podIPs ?? []), spec.podIP]);
    if (addresses.length === 0 || (spec.nodeIP && addresses.includes(spec.nodeIP))) return undefined;
    return {
      ...this.common(metadata.namespace, metadata.name, spec.labels, spec.annotations),
      workloads: this.workloads(spec.ownerReferences, spec.labels, metadata.creationTimestamp),
      addresses,
      ...(spec.nodeIP && { nodeAddress: this.texts.one(spec.nodeIP) }),
    };
  };

  readonly node = ({ metadata, status }: Node): NodeFacts | undefined => {
    const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP');
    const zone = ZONES.map((label) => metadata.labels?.[label]).find(Boolean) ?? '';
    return { name: metadata.name ?? '', addresses: distinct(addresses.map(({ address }) => address)), zone };
  };

  readonly service = ({ metadata, spec, status }: Service): ServiceFacts => {
    const { texts } = this;
    const { namespace = '', name = '' } = metadata;
    const ports = spec.ports ?? [];
    const selector = Object.entries(spec.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      namespace: texts.one(namespace),
      name,
      clusterAddresses: distinct([...(spec.clusterIPs ?? []), spec.clusterIP]).filter((ip) => ip !== 'None'),
      otherAddresses: distinct([
        ...(spec.externalIPs ?? []),
        ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
      ]),
      ...(selector.length > 0 && { selector }),
      nodePorts: ports.flatMap(({ nodePort, protocol = 'TCP' }) => {
        const number = PROTOCOLS[protocol];
        return nodePort && number ? [{ protocol: number, port: nodePort }] : [];
      }),
      ...(namespace === 'default' && name === 'kubernetes' && { apiPorts: ports.map(({ port }) => port) }),
    };
  };

  readonly slice = ({ metadata, endpoints, ports, addressType }: EndpointSlice): SliceFacts | undefined => {
    const service = metadata.labels?.['kubernetes.io/service-name'];
    if (!service || addressType === 'FQDN') return undefined;
    const namespace = this.texts.one(metadata.namespace ?? '');
    const pods: string[] = [];
    const addresses: string[] = [];
    for (const { targetRef, addresses: own } of endpoints ?? []) {
      if (targetRef?.kind === 'Pod' && targetRef.name)
        pods.push(`${targetRef.namespace ?? namespace}/${targetRef.name}`);
      else addresses.push(...own);
    }
    return {
      namespace,
      service: this.texts.one(service),
      pods,
      addresses: distinct(addresses),
      ports: (ports ?? []).flatMap(({ port }) => port ?? []),
    };
  };

  readonly namespace = ({ metadata }: Namespace): NamespaceFacts => {
    const { namespaceSelector } = this.config;
    return {
      annotated: annotated(metadata.annotations),
      selected: namespaceSelector === undefined || matches(namespaceSelector, metadata.labels),
    };
  };

  private common(
    namespace = '',
    name = '',
    labels: Readonly<Record<string, string>> = {},
    annotations: Readonly<Record<string, string>> | undefined,
  ): Pick<PodFacts, 'namespace' | 'name' | 'labels' | 'annotated' | 'selected'> {
    const { podSelector } = this.config;
    return {
      namespace: this.texts.one(namespace),
      name,
      labels: this.texts.record(labels, MAX_LABELS),
      annotated: annotated(annotations),
      selected: podSelector === undefined || matches(podSelector, labels),
    };
  }

  private workloads(
    owners: readonly Owner[] | undefined,
    labels: Readonly<Record<string, string>> | undefined,
    created: string | undefined,
  ): readonly Workload[] {
    const at = created === undefined ? NaN : Date.parse(created);
    return this.texts.workloads(workloadsOf(owners, labels, Number.isNaN(at) ? undefined : at));
  }
}

function annotated(annotations: Readonly<Record<string, string>> | undefined): boolean {
  return annotations?.['retina.sh'] === 'observe';
}

function distinct(texts: readonly (string | undefined)[]): string[] {
  return [...new Set(texts.filter((text) => text !== undefined && text !== ''))] as string[];
}
