import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, type RunOptions } from './run.ts';

/** The checkout. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const CHART = resolve(ROOT, 'charts', 'retina');

/** Where Retina is installed by these tests, and where their own pods run. */
export const NAMESPACE = 'retina';
export const WORLD = 'retina-world';

/** The image under test; the tests' pods run it too, since it has Node. */
export const IMAGE = {
  repository: process.env['RETINA_CLUSTER_REPOSITORY'] ?? 'localhost',
  tag: process.env['RETINA_CLUSTER_TAG'] ?? 'dev',
};
export const AGENT_IMAGE = `${IMAGE.repository}/retina-agent:${IMAGE.tag}`;

/** The tool that made the cluster, if it was made here: what a node itself does can be broken only through it. */
export const TOOL = process.env['RETINA_CLUSTER_TOOL'] ?? '';

export function kubectl(...args: readonly string[]): Promise<string> {
  return run('kubectl', args);
}

export async function json<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(...args, '-o', 'json')) as T;
}

export function apply(manifest: string, ...args: readonly string[]): Promise<string> {
  return run('kubectl', ['apply', ...args, '-f', '-'], { input: manifest });
}

export function helm(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return run('helm', args, { timeout: 120_000, ...options });
}

/** `helm upgrade --install` of the image under test with `values`; every agent is ready and new when it returns. */
export async function install(values: Readonly<Record<string, unknown>>, chart: string = CHART): Promise<string> {
  const told = await upgrade(values, chart, '--wait', '--timeout', '90s');
  // Helm is content when all agents but those that may be unavailable are ready.
  await kubectl('-n', NAMESPACE, 'rollout', 'status', 'daemonset/retina-agent', '--timeout=90s');
  return told;
}

/** `helm upgrade --install` as it is, with more arguments. */
export function upgrade(values: Readonly<Record<string, unknown>>, chart: string, ...more: readonly string[]) {
  const args = ['upgrade', '--install', 'retina', chart, '-n', NAMESPACE, '--create-namespace', ...more, '-f', '-'];
  return helm(args, { input: JSON.stringify(tested(values)) });
}

/** `values` with the images under test; agents are replaced all at once, on every change. */
function tested(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const image = { repository: `${IMAGE.repository}/retina-agent`, tag: IMAGE.tag, ...(values['image'] as object) };
  const operator = { repository: `${IMAGE.repository}/retina-operator`, tag: IMAGE.tag, ...(values['operator'] as object) }; // prettier-ignore
  const agent = {
    restartOnConfigChange: true,
    updateStrategy: { rollingUpdate: { maxUnavailable: '100%' } },
    ...(values['agent'] as object),
  };
  return { ...values, image, operator, agent };
}

export async function uninstall(): Promise<void> {
  await helm(['uninstall', 'retina', '-n', NAMESPACE, '--wait', '--ignore-not-found']);
}

/** Runs a command inside a node. */
export function onNode(node: string, ...command: readonly string[]): Promise<string> {
  return run(TOOL, ['exec', node, ...command]);
}

export interface Pod {
  readonly name: string;
  readonly node: string;
  readonly addresses: readonly string[];
  readonly restarts: number;
  readonly uid: string;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
    readonly spec: { readonly nodeName?: string };
    readonly status: {
      readonly podIPs?: readonly { readonly ip: string }[];
      readonly containerStatuses?: readonly { readonly restartCount: number }[];
    };
  }[];
}

export async function pods(namespace: string, selector: string): Promise<readonly Pod[]> {
  const { items } = await json<PodList>('get', 'pods', '-n', namespace, '-l', selector);
  return items
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      uid: metadata.uid,
      node: spec.nodeName ?? '',
      addresses: (status.podIPs ?? []).map(({ ip }) => ip),
      restarts: status.containerStatuses?.[0]?.restartCount ?? 0,
    }));
}

/** The agents, by node. */
export async function agents(): Promise<ReadonlyMap<string, Pod>> {
  return new Map((await pods(NAMESPACE, 'k8s-app=retina')).map((pod) => [pod.node, pod]));
}

/** Names of the nodes that run pods. */
export async function nodes(): Promise<readonly string[]> {
  const { items } = await json<{ items: readonly { metadata: { name: string; labels: Record<string, string> } }[] }>(
    'get',
    'nodes',
    '-l',
    'type!=kwok',
  );
  return items.map(({ metadata }) => metadata.name).sort();
}
