import { fileURLToPath } from 'node:url';
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  kubeClient,
  type KubeClient,
  type Pod,
  PODS,
  resource,
  RETINA_ENDPOINTS,
} from '@retina/kube';
import type { Logger } from '@retina/sdk';
import { Running } from '@retina/testkit';
import type { ApiServer } from '../../kube/test/api-server.ts';
import { clusterRules, leaseRules, Operator, parseOperatorConfig } from '../src/index.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const USER = 'retina-operator';

interface Role {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}
const rbac = (plural: string, kind: string, namespaced: boolean) =>
  resource<Role>('rbac.authorization.k8s.io', 'v1', plural, kind, namespaced);

/** Gives the user the operator runs as exactly the rights it asks for, and returns its kubeconfig. */
export async function grant(server: ApiServer, admin: KubeClient, text: string): Promise<string> {
  const { config } = parseOperatorConfig(text, 'test');
  const apply = (plural: string, kind: string, namespaced: boolean, content: object) => {
    const metadata = { name: USER, ...(namespaced && { namespace: 'default' }) };
    return admin.apply(rbac(plural, kind, namespaced), { metadata, ...content });
  };
  const subjects = [{ kind: 'User', name: USER, apiGroup: 'rbac.authorization.k8s.io' }];
  const ref = (kind: string) => ({ kind, name: USER, apiGroup: 'rbac.authorization.k8s.io' });
  await apply('clusterroles', 'ClusterRole', false, { rules: clusterRules(config) });
  await apply('roles', 'Role', true, { rules: leaseRules(config.leaderElection.name) });
  await apply('clusterrolebindings', 'ClusterRoleBinding', false, { subjects, roleRef: ref('ClusterRole') });
  await apply('rolebindings', 'RoleBinding', true, { subjects, roleRef: ref('Role') });
  return server.kubeconfig(USER, { token: 'administrator', as: USER });
}

/** What an operator logged, newest last. */
export interface Log extends Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: unknown }[];
}

function memoryLog(): Log {
  const lines: Log['lines'] = [];
  const at = (level: string) => (message: string, fields?: unknown) => void lines.push({ level, message, fields });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** An operator in this process, with its own rights only. */
export async function operator(kubeconfig: string, text: string): Promise<Operator & { readonly log: Log }> {
  const log = memoryLog();
  const { config } = parseOperatorConfig(text, 'test');
  const client = kubeClient({ kubeconfig, userAgent: 'retina-operator/test', retries: 1 });
  const free = { host: '127.0.0.1', port: 0 };
  const made = await Operator.start({ client, config, log, version: '1', metricsAddress: free, probeAddress: free });
  return Object.assign(made, { log });
}

/** An operator as a process of its own. */
export function replica(kubeconfig: string, configFile: string): Running {
  const args = ['--conditions=@retina/source', MAIN, '--kubeconfig', kubeconfig, '--config', configFile, '--metrics-addr', '127.0.0.1:0', '--probe-addr', '127.0.0.1:0']; // prettier-ignore
  return new Running(process.execPath, args);
}

/** Values of `/metrics` by series. */
export async function metrics(port: number): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

export interface PodChange {
  readonly labels?: Record<string, string>;
  readonly hostNetwork?: boolean;
  /** `''` for none yet. */
  readonly ip?: string;
}

/** A pod that runs, as far as the API server knows. */
export async function makePod(admin: KubeClient, name: string, change: PodChange = {}): Promise<Pod> {
  const { labels = { app: 'web' }, hostNetwork = false, ip = '10.244.1.7' } = change;
  const spec = {
    nodeName: 'node1',
    hostNetwork,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'c', image: 'x' }],
  };
  const pod = await admin.create(PODS, { metadata: { namespace: 'default', name, labels }, spec });
  if (!ip) return pod;
  const status = { phase: 'Running', hostIP: '172.30.0.2', podIP: ip, podIPs: [{ ip }, { ip: 'fd00::7' }] };
  return admin.patch(PODS, { namespace: 'default', name }, { status }, { subresource: 'status' });
}

/** It has no time to end in, since no kubelet would end it. */
export async function removePod(admin: KubeClient, name: string): Promise<void> {
  await admin.delete(PODS, { namespace: 'default', name });
}

/** What a test that failed half-way left. */
export async function removeAll(admin: KubeClient): Promise<void> {
  const defined = await admin.get(CUSTOM_RESOURCE_DEFINITIONS, { name: 'retinaendpoints.retina.sh' });
  for (const of of defined ? [PODS, RETINA_ENDPOINTS] : [PODS]) {
    const at = admin.list(of as typeof PODS, { namespace: 'default' });
    for await (const { metadata } of at) await admin.delete(of, { namespace: 'default', name: metadata.name ?? '' });
  }
}

/** Names of all RetinaEndpoints in the namespace of the tests, and what they say. */
export async function endpoints(admin: KubeClient): Promise<Map<string, { podIP?: string; labels?: object }>> {
  const found = new Map<string, { podIP?: string; labels?: object }>();
  for await (const { metadata, spec } of admin.list(RETINA_ENDPOINTS, { namespace: 'default' })) {
    found.set(metadata.name ?? '', spec as { podIP?: string; labels?: object });
  }
  return found;
}
