import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alerts, filledIn, sourceBoards } from '../../packages/agent/test/dashboards/boards.ts';
import { agents, install, NAMESPACE, pods } from '../src/cluster.ts';
import { background, eventually } from '../src/run.ts';
import { connects, createWorld, echo, removeWorld, resolves, type World } from '../src/world.ts';

const DNS = '10.96.0.10';
/** Documentation's addresses: nobody answers, so SYNs are sent again. */
const NOBODY = '192.0.2.1';
/** Panels of what this cluster does not do while the test looks. */
const QUIET = ['plugins/apiserverlatency: Handshake latency, 99 %'];

let world: World;
let folder: string;
const children: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  await install({
    enablePodLevel: true,
    remoteContext: true,
    enableConntrackMetrics: true,
    operator: { enabled: true },
    enabledPlugin_linux: ['packetparser', 'packetforward', 'dropreason', 'dns', 'tcpretrans', 'tcphealth', 'conntrack', 'linuxutil', 'apiserverlatency', 'infiniband', 'ciliumeventobserver'], // prettier-ignore
  });
  world = await createWorld();
  folder = mkdtempSync(join(tmpdir(), 'retina-boards-'));
});
afterAll(async () => {
  for (const child of children) await child.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
  await removeWorld();
});

/** Prometheus on this machine; it reaches agents and operator through the API server, wherever the cluster is. */
async function prometheus(): Promise<(query: string) => Promise<readonly unknown[]>> {
  const proxy = await background('kubectl', ['proxy', '--port=0'], /127\.0\.0\.1:(\d+)/);
  children.push(proxy);
  const operators = await pods(NAMESPACE, 'app=retina-operator');
  const targets = [...(await agents()).values()].map(({ name, node }) => ({ name, instance: node, port: 10_093 }));
  for (const { name } of operators) targets.push({ name, instance: name, port: 8080 });
  const scrapes = targets.map(({ name, instance, port }) => ({
    job_name: name,
    honor_labels: true,
    metrics_path: `/api/v1/namespaces/${NAMESPACE}/pods/${name}:${port}/proxy/metrics`,
    static_configs: [{ targets: [`127.0.0.1:${proxy.match[1]}`], labels: { instance } }],
  }));
  const config = join(folder, 'prometheus.yaml');
  writeFileSync(config, JSON.stringify({ global: { scrape_interval: '2s', scrape_timeout: '2s' }, scrape_configs: scrapes })); // prettier-ignore
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`]; // prettier-ignore
  children.push(await background('prometheus', args, /Server is ready/));
  return async (query) => {
    const body = new URLSearchParams({ query });
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query`, { method: 'POST', body });
    const { error, data } = (await answer.json()) as { error?: string; data?: { result: readonly unknown[] } };
    if (error) throw new Error(`${error}: ${query}`);
    return data?.result ?? [];
  };
}

async function traffic(): Promise<void> {
  const { client, near, far, service } = world;
  await echo(client, far.addresses[0]!, 9000, 20, 200);
  await connects(client, service[0]!, 80, 3);
  await connects(client, near.addresses[0]!, 1, 3); // refused
  await resolves(client, DNS, { name: 'far.retina-world.svc.cluster.local' });
  await resolves(client, DNS, { name: 'nobody.retina-world.svc.cluster.local' });
  await connects(client, NOBODY, 80, 1, 2500);
}

it('every panel shows something of the cluster, or says why it does not; every alert can be evaluated', async () => {
  const ask = await prometheus();
  let silent: string[] = [];
  await eventually(async () => {
    await traffic();
    silent = [];
    for (const [where, { panels }] of sourceBoards()) {
      // Here an operator runs, so its panels have no reason to be empty.
      const owed = panels.filter(({ retina }) => !retina?.empty || where === 'packages/operator');
      for (const { title, targets = [] } of owed) {
        const answers = await Promise.all(targets.map(({ expr }) => ask(filledIn(expr))));
        if (answers.every((result) => result.length === 0)) silent.push(`${where}: ${title}`);
      }
    }
    silent = silent.filter((panel) => !QUIET.includes(panel));
    if (silent.length > 0) throw new Error(`nothing to show: ${silent.join(', ')}`);
  }, 100_000).catch(() => {}); // the assertion says what is missing
  expect(silent).toEqual([]);
  for (const { expr } of alerts()) await ask(expr);
}, 200_000);
