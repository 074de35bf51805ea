/** One rule of a role. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export interface RightsFor {
  readonly installCRDs: boolean;
  readonly remoteContext: boolean;
  readonly enableRetinaEndpoint: boolean;
}

const READ = ['get', 'list', 'watch'];
const CRDS = ['captures.retina.sh', 'metricsconfigurations.retina.sh', 'retinaendpoints.retina.sh'];

/** Exactly what the operator does cluster-wide, by configuration: no secrets, and nothing that runs. For its ClusterRole. */
export function clusterRules({ installCRDs, remoteContext, enableRetinaEndpoint }: RightsFor): PolicyRule[] {
  const rules: PolicyRule[] = [
    { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: ['get', ...(installCRDs ? ['patch'] : [])], resourceNames: CRDS },
    { apiGroups: ['retina.sh'], resources: ['metricsconfigurations'], verbs: READ },
    { apiGroups: ['retina.sh'], resources: ['metricsconfigurations/status'], verbs: ['patch'] },
  ]; // prettier-ignore
  // Names cannot restrict what is not there yet.
  if (installCRDs) rules.push({ apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: ['create'] }); // prettier-ignore
  if (enableRetinaEndpoint && remoteContext) {
    rules.push(
      { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'watch'] },
      { apiGroups: ['retina.sh'], resources: ['retinaendpoints'], verbs: [...READ, 'create', 'update', 'delete'] },
    );
  } else if (enableRetinaEndpoint) {
    rules.push({ apiGroups: ['retina.sh'], resources: ['retinaendpoints'], verbs: ['list', 'delete'] });
  }
  return rules;
}

/** What it does in the namespace of its Lease. For a Role there. */
export function leaseRules(name: string): PolicyRule[] {
  return [
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'update'], resourceNames: [name] },
  ];
}
