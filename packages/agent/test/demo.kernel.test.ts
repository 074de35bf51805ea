import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MetricText, Running } from '@retina/testkit';
import { AgentClient, type FlowJson } from '../src/api/index.ts';

const ENTRY = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const NODE = [process.execPath, '--conditions=@retina/source', ENTRY] as const;
const PATIENCE = { timeout: 15_000, interval: 200 };

let folder: string;
let config: string;
let socket: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retina-demo-test-'));
  config = join(folder, 'config.yaml');
  socket = join(folder, 'agent.sock');
  const plugins = { packetparser: {}, packetforward: {}, dropreason: {} };
  const whole = {
    plugins,
    exporters: { prometheus: { port: 0 } },
    enablePodLevel: true,
    remoteContext: true,
    api: { socket },
  };
  writeFileSync(config, JSON.stringify(whole));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function remains(): string[] {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n');
  return [...namespaces, ...readdirSync('/sys/class/net'), ...tables].filter((name) => /retina.demo|rtdemo/.test(name));
}

async function scrape(client: AgentClient): Promise<MetricText> {
  const [url] = (await client.status()).endpoints;
  return new MetricText(await (await fetch(url!)).text());
}

it('shows a small world of pods by name, in metrics, tops and flows, and removes it', async () => {
  await using agent = new Running(NODE[0], [...NODE.slice(1), '--config', config, '--demo', '--no-tui']);
  await agent.output(/"msg":"observing"/);
  const client = new AgentClient(socket);
  const sum = async (name: string, match: Record<string, string>) =>
    (await scrape(client)).sum(`networkobservability_${name}`, match);
  const pods = {
    source_podname: 'client',
    destination_podname: 'server',
    source_namespace: 'demo',
    source_workload_kind: 'Job',
  };
  await expect.poll(() => sum('adv_forward_bytes', pods), PATIENCE).toBeGreaterThan(1000);
  await expect.poll(() => sum('adv_drop_count', { reason: 'IPTABLE_RULE_DROP', destination_podname: 'server' }), PATIENCE).toBeGreaterThan(3); // prettier-ignore
  await expect.poll(() => sum('drop_count', { reason: 'TCP_CONNECT_BASIC' }), PATIENCE).toBeGreaterThan(0); // refused
  const talkers = async () => (await client.top('talkers')).rows;
  for (const [source, destination] of [
    ['demo/server', 'demo/client'],
    ['demo/client', 'demo/resolver'],
  ]) {
    await expect.poll(talkers, PATIENCE).toContainEqual(expect.objectContaining({ source, destination }));
  }
  const flows: FlowJson[] = [];
  for await (const flow of client.flows({ pod: 'demo/client', last: 500 })) flows.push(flow as FlowJson);
  expect(new Set(flows.map((flow) => flow.IP.ipVersion))).toEqual(new Set(['IPv4', 'IPv6']));
  expect(new Set(flows.map((flow) => flow.verdict))).toEqual(new Set(['FORWARDED', 'DROPPED']));
  expect((await client.status()).losses.filter((loss) => loss.count > 0)).toEqual([]);

  agent.kill('SIGTERM');
  expect(await agent.ended).toBe(0);
  expect(remains()).toEqual([]);
});

it('is cleared up by the next agent after a SIGKILL', async () => {
  const killed = new Running(NODE[0], [...NODE.slice(1), '--config', config, '--demo', '--no-tui']);
  await killed.output(/"msg":"observing"/);
  killed.kill('SIGKILL');
  await killed.ended;
  expect(remains().length).toBeGreaterThan(6);
  await using next = new Running(NODE[0], [...NODE.slice(1), '--config', config, '--no-tui']);
  await next.output(/"msg":"observing"/);
  expect(remains()).toEqual([]);
});

it('draws a live screen on a terminal, within its size, and gives the terminal back', async () => {
  const command = `stty cols 100 rows 30; exec ${[...NODE, '--config', config, '--demo'].join(' ')}`;
  const terminal = spawn('script', ['-qfec', command, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', NO_COLOR: '' },
  });
  let text = '';
  terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await expect.poll(() => text, PATIENCE).toMatch(/demo\/server → demo\/client/);
  await expect.poll(() => text, PATIENCE).toContain('IPTABLE_RULE_DROP');
  const frame = text.split('\u001b[H').at(-2)!;
  const lines = frame.split(/\r?\n/).map((line) => line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, ''));
  expect(lines.length).toBeLessThanOrEqual(30);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  terminal.stdin.write('\u0003');
  const [code] = (await once(terminal, 'exit')) as [number];
  expect(code).toBe(0);
  expect(text.match(/\u001b\[\?1049[hl]/g)).toEqual(['\u001b[?1049h', '\u001b[?1049l']);
  expect(text.lastIndexOf('\u001b[?25h')).toBeGreaterThan(text.lastIndexOf('\u001b[?25l'));
  expect(remains()).toEqual([]);
});
