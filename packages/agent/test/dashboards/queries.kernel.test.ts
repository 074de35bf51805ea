import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Running } from '@retina/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentClient } from '../../src/api/index.ts';
import { alerts, filledIn, sourceBoards } from './boards.ts';

const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 1000 };
/** Every plugin: what has nothing to observe here shows its own state, or its panels say why they are empty. */
const PLUGINS = ['packetparser', 'packetforward', 'dropreason', 'dns', 'tcphealth', 'tcpretrans', 'conntrack', 'linuxutil', 'apiserverlatency', 'infiniband', 'ciliumeventobserver']; // prettier-ignore

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: { readonly result: readonly { readonly metric: Readonly<Record<string, string>> }[] };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retina-boards-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An agent that observes the demonstration world, and a Prometheus that scrapes it every second. */
async function observed(remoteContext: boolean) {
  const config = join(folder, 'config.yaml');
  const socket = join(folder, 'agent.sock');
  const plugins = Object.fromEntries(PLUGINS.map((name) => [name, { required: false }]));
  const whole = { plugins, exporters: { prometheus: { port: 0 } }, enablePodLevel: true, remoteContext, enableConntrackMetrics: true, apiServers: ['198.18.77.2:8080'], api: { socket } }; // prettier-ignore
  writeFileSync(config, JSON.stringify(whole));
  const agent = new Running(process.execPath, ['--conditions=@retina/source', ENTRY, '--config', config, '--demo', '--no-tui']); // prettier-ignore
  await agent.output(/"msg":"observing"/, 30_000);
  const [target] = (await new AgentClient(socket).status()).endpoints;
  const port = await freePort();
  const scrape = { job_name: 'retina', honor_labels: true, static_configs: [{ targets: [new URL(target!).host] }] };
  const settings = { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [scrape] };
  writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify(settings));
  const prometheus = new Running('prometheus', [`--config.file=${join(folder, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`]); // prettier-ignore
  const ask = async (query: string): Promise<Answer> => {
    const body = new URLSearchParams({ query });
    return (await fetch(`http://127.0.0.1:${port}/api/v1/query`, { method: 'POST', body })).json() as Promise<Answer>;
  };
  return {
    ask,
    /** How many series answer; a refused query is an error. */
    async series(query: string): Promise<number> {
      const { status, error, data } = await ask(query);
      if (status !== 'success') throw new Error(`${error}: ${query}`);
      return data?.result.length ?? 0;
    },
    async [Symbol.asyncDispose]() {
      await prometheus[Symbol.asyncDispose]();
      agent.kill('SIGTERM');
      await agent.ended;
    },
  };
}

function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number };
    server.close(() => resolve(port));
  });
  return promise;
}

describe.each([
  ['remote', true],
  ['local', false],
])('in %s context', (context, remote) => {
  it('every panel shows something of a real agent, or says why it does not; every alert can be evaluated', async () => {
    await using world = await observed(remote);
    const failing = remote ? 'source_podname="client"' : 'podname="client"';
    for (const needed of [
      `networkobservability_adv_drop_count{${failing}}`,
      `networkobservability_adv_dns_response_count`,
      `networkobservability_tcp_connections_failed_total`,
    ]) {
      // prettier-ignore
      await expect.poll(() => world.series(`rate(${needed}[15s]) > 0`).catch(() => 0), PATIENCE).toBeGreaterThan(0);
    }
    /** Panels without an answer and without a reason. Some of what they show takes a while to happen. */
    const silent = async () => {
      const found: string[] = [];
      for (const [folder, { panels }] of sourceBoards()) {
        for (const { title, targets = [], retina } of panels) {
          if (retina?.empty) continue;
          const answers = await Promise.all(targets.map(({ expr }) => world.series(filledIn(expr))));
          if (answers.every((count) => count === 0)) found.push(`${folder}: ${title}`);
        }
      }
      return found;
    };
    const onlyRemote = ['plugins/packetparser: Who talks to whom'];
    await expect.poll(silent, PATIENCE).toEqual(context === 'remote' ? [] : onlyRemote);

    const all = [...sourceBoards().values()];
    for (const { expr } of all.flatMap(({ panels }) => panels.flatMap(({ targets = [] }) => targets))) {
      await world.series(filledIn(expr)); // Prometheus refuses none, those of empty panels included
    }
    for (const { query, regex, name } of all.flatMap(({ templating }) => templating.list)) {
      const text = typeof query === 'string' ? query : query.query;
      const inner = /^query_result\((.*)\)$/.exec(text)?.[1];
      if (!inner || !regex) continue;
      const { data } = await world.ask(filledIn(inner));
      const names = data?.result.map(({ metric }) => metric['name']);
      expect(names, name).toContain(name === 'namespace' ? 'demo' : 'client');
    }
    for (const { expr } of alerts()) await world.series(expr);
  }, 180_000);
});
