import { type KubeClient, NAMESPACES, type Pod, PODS } from '../src/index.ts';

/** Nodes that the pods are on: `node-0` and so on. */
export const NODES = 200;

/** `count` pods in eight namespaces; `each` follows the making of each of them. */
export async function fill(
  client: KubeClient,
  count: number,
  each: (i: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  for (let next = 0; next < 8; next++) await client.create(NAMESPACES, { metadata: { name: `bench-${next}` } });
  let made = 0;
  const worker = async () => {
    while (made < count) {
      const i = made++;
      await client.create(PODS, podOf(i));
      await each(i);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

/** As a Deployment's pods are in practice: some 7 KiB with what the server adds. */
export function podOf(i: number) {
  const app = `application-${Math.floor(i / 20)}`;
  const container = (name: string) => ({
    name,
    image: `registry.example.com/team/${app}/${name}:1.27.3@sha256:${'0123456789abcdef'.repeat(4)}`,
    env: Array.from({ length: 12 }, (_, e) => ({ name: `SETTING_${e}`, value: `value-of-setting-${e}-of-${app}` })),
    ports: [{ name: 'http', containerPort: 8080 }],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 5 },
    volumeMounts: [{ name: 'config', mountPath: '/etc/config' }, { name: 'data', mountPath: '/data' }],
  }); // prettier-ignore
  return {
    metadata: {
      namespace: `bench-${i % 8}`,
      name: `${app}-6d4cf56db6-${i.toString(36).padStart(5, '0')}`,
      labels: { app, 'app.kubernetes.io/name': app, 'app.kubernetes.io/part-of': 'shop', 'pod-template-hash': '6d4cf56db6', tier: 'backend' },
      annotations: { 'checksum/config': '0123456789abcdef'.repeat(4), 'prometheus.io/scrape': 'true', note: 'x'.repeat(800) },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-6d4cf56db6`, uid: `00000000-0000-4000-8000-${i.toString(16).padStart(12, '0')}`, controller: true }],
    },
    spec: {
      nodeName: `node-${i % NODES}`,
      terminationGracePeriodSeconds: 0,
      containers: [container('server'), container('sidecar')],
      volumes: [{ name: 'config', configMap: { name: app } }, { name: 'data', emptyDir: {} }],
    } as unknown as Pod['spec'],
  }; // prettier-ignore
}
