import type { Config } from '@retina/core';
import {
  ENDPOINT_SLICES,
  type KubeObject,
  METRICS_CONFIGURATIONS,
  NAMESPACES,
  NODES,
  PODS,
  type Resource,
  RETINA_ENDPOINTS,
  SERVICES,
} from '@retina/kube';
import type { ClusterIdentity } from './identity.ts';
import { type ConfigurationFacts, trimConfiguration } from './metrics-configuration.ts';
import type { Trim } from './trim.ts';

/** A collection of the API server that is followed, and what becomes of it. */
export interface Watch<T extends KubeObject = KubeObject, S = unknown> {
  /** In messages and metrics. */
  readonly name: string;
  readonly resource: Resource<T>;
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** Few of many: see `ReflectOptions`. */
  readonly fromCache?: boolean;
  readonly trim: (object: T) => S | undefined;
  readonly take: (key: string, value: S | undefined) => void;
  /** Asked for once what it refers to is known: then each of many is looked at once. */
  readonly last?: boolean;
  /** Its definition may be missing: then there is nothing, and nothing is wrong. */
  readonly optional?: boolean;
  /** Also asked after each list. */
  readonly synced?: () => void;
}

export interface WatchTargets {
  readonly identity: ClusterIdentity;
  readonly trim: Trim;
  readonly configuration: (key: string, facts: ConfigurationFacts | undefined) => void;
  readonly configurationsSynced: () => void;
}

/** Pods that have ended keep their address in their status, though it may be another's by now. */
const NOT_ENDED = 'status.phase!=Succeeded,status.phase!=Failed';

/**
 * What is followed. Without remote context: pods of this node, and this node, so that what the API server sends does not
 * grow with the cluster; services in any case, as flows go to all of them.
 */
export function watchesFor(config: Config, { identity, trim, ...targets }: WatchTargets): Watch[] {
  const { nodeName, podLevel, kubernetes } = config;
  const remote = podLevel === 'remote';
  const ownPods = `spec.nodeName=${nodeName},${NOT_ENDED}`;
  const endpoints = remote && kubernetes.source === 'endpoints';
  const list: Watch[] = [];
  const add = <T extends KubeObject, S>(watch: Watch<T, S>) => void list.push(watch as unknown as Watch);

  if (kubernetes.annotations || kubernetes.namespaceSelector) {
    add({ name: 'namespaces', resource: NAMESPACES, trim: trim.namespace, take: identity.namespace });
  }
  add({
    name: 'nodes',
    resource: NODES,
    trim: trim.node,
    take: identity.node,
    ...(!remote && { fieldSelector: `metadata.name=${nodeName}`, fromCache: true }),
  });
  add({ name: 'services', resource: SERVICES, trim: trim.service, take: identity.service });
  add({
    name: 'pods',
    resource: PODS,
    trim: trim.pod,
    take: identity.pod,
    last: true,
    ...(remote && !endpoints ? { fieldSelector: NOT_ENDED } : { fieldSelector: ownPods, fromCache: true }),
  });
  if (endpoints) {
    add({
      name: 'retinaendpoints',
      resource: RETINA_ENDPOINTS,
      trim: trim.endpoint,
      take: identity.endpoint,
      last: true,
    });
  }
  add({
    name: 'headless endpointslices',
    resource: ENDPOINT_SLICES,
    labelSelector: 'service.kubernetes.io/headless',
    trim: trim.slice,
    take: identity.headlessSlice,
  });
  add({
    name: 'API servers',
    resource: ENDPOINT_SLICES,
    namespace: 'default',
    labelSelector: 'kubernetes.io/service-name=kubernetes',
    trim: trim.slice,
    take: identity.apiSlice,
  });
  if (podLevel !== 'off' && !kubernetes.annotations) {
    add({
      name: 'metricsconfigurations',
      resource: METRICS_CONFIGURATIONS,
      trim: trimConfiguration,
      take: targets.configuration,
      synced: targets.configurationsSynced,
      optional: true,
    });
  }
  return list;
}
