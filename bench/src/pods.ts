import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An identity file with as many pods as a large cluster's agent knows, two addresses and four labels each; removed at the end. */
export async function podsFile(pods: number): Promise<{ readonly file: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'retina-bench-'));
  const file = join(folder, 'identity.json');
  await writeFile(file, JSON.stringify({ endpoints: Array.from({ length: pods }, (_, i) => pod(i)) }));
  return { file, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

function pod(i: number) {
  const deployment = `deployment-${i >> 3}`;
  return {
    addresses: [`10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, `fd00:10::${(i + 1).toString(16)}`],
    namespace: `namespace-${i % 50}`,
    name: `${deployment}-7d9c6b5f4-${(i * 7919).toString(36)}`,
    workload: { kind: 'Deployment', name: deployment },
    labels: {
      app: `app-${i >> 3}`,
      'pod-template-hash': ((i >> 3) * 31).toString(16),
      'app.kubernetes.io/name': `app-${i >> 3}`,
      team: `team-${i % 20}`,
    },
    node: `node-${i % 100}`,
    zone: `zone-${i % 3}`,
  };
}
