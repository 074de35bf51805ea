import { arch, hostname, type } from 'node:os';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { HostFacts } from '@retina/sdk';

type Values = Readonly<Record<string, string | number | boolean>>;

/** Node's names of architectures where the semantic conventions have others. */
const ARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: 'x86', arm: 'arm32' };

/** Who says it: the resource attributes of everything this agent sends, by OpenTelemetry's semantic conventions. `given` wins. */
export function resourceAttributes(facts: HostFacts, given: Values, env: NodeJS.ProcessEnv = process.env): Values {
  const inCluster = facts.clusterName !== undefined || env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const found: Record<string, string | number | boolean | undefined> = {
    'service.name': 'retina-agent',
    'service.namespace': 'retina',
    'service.version': facts.version,
    'service.instance.id': facts.nodeName,
    'host.name': hostname(),
    'host.arch': ARCH[arch()] ?? arch(),
    'os.type': type().toLowerCase(),
    'k8s.node.name': inCluster ? facts.nodeName : undefined,
    'k8s.cluster.name': facts.clusterName,
    'k8s.namespace.name': inCluster ? env['POD_NAMESPACE'] : undefined,
    'k8s.pod.name': inCluster ? env['POD_NAME'] : undefined,
    ...given,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== '')) as Values;
}

export function resourceOf(facts: HostFacts, given: Values): ReturnType<typeof resourceFromAttributes> {
  return resourceFromAttributes(resourceAttributes(facts, given));
}
