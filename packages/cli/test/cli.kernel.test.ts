import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DoctorReport } from '@retina/core';
import { parse, parseAllDocuments } from 'yaml';
import { AgentProcess, connect, NodeWorld, run, Running, serve, World, type RunResult } from '@retina/testkit';

const CLI = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const AGENT = new URL('../../agent/src/main.ts', import.meta.url);
const CONFIG = { plugins: { packetparser: {}, dropreason: {} }, exporters: { prometheus: {} } };

let world: World;
let net: NodeWorld;
let agent: AgentProcess;
let folder: string;

/** `retina ARGS`, its output in pipes. */
function retina(...args: string[]): Promise<RunResult> {
  return run(process.execPath, ['--conditions=@retina/source', CLI, ...args], { mayFail: true });
}
const asked = (...args: string[]) => retina(...args, '--socket', agent.socket);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retina-cli-test-'));
  world = await World.create('cli');
  net = await NodeWorld.create(world, ['a', 'b']);
  const [a, b] = [net.pod('a'), net.pod('b')];
  const file = join(folder, 'identity.json');
  const endpoints = Object.entries({ a, b }).map(([name, { ipv4 }]) => ({
    addresses: [ipv4],
    namespace: 'default',
    name,
  }));
  writeFileSync(file, JSON.stringify({ endpoints }));
  agent = await AgentProcess.start({ in: net.node, entry: AGENT, config: { ...CONFIG, identity: { file } } });
  await b.namespace.nft('table inet t {\nchain c {\ntype filter hook input priority 0;\ntcp dport 81 drop\n}\n}\n');
  const talk = `const s = require('dgram').createSocket('udp4'); setInterval(() => s.send('x', 4242, '${b.ipv4}'), 100)`;
  a.namespace.spawn(process.execPath, ['-e', talk]);
  const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
  await connect(a.namespace, { destination: b.ipv4, port: 80, packets: 5, size: 200 });
  await server.stop();
  const denied = a.namespace.spawn(process.execPath, [
    '-e',
    `require('net').connect(81, '${b.ipv4}').on('error', () => {})`,
  ]);
  await vi.waitFor(async () => {
    if ((await asked('flows', '--drop-reason', 'IPTABLE_RULE_DROP')).stdout === '')
      throw new Error('nothing dropped yet');
  }, 10_000);
  await denied[Symbol.asyncDispose]();
}, 60_000);
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('retina, beside a running agent', () => {
  it('shows its state, as a table and as documents', async () => {
    const { stdout, code } = await asked('status');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^State: +ready$/m);
    expect(stdout).toMatch(/^vetha +\d+ +endpoint +tcx$/m);
    expect(JSON.parse((await asked('status', '-o', 'json')).stdout)).toMatchObject({ ready: true, pid: agent.pid });
    expect(parse((await asked('status', '-o', 'yaml')).stdout)).toMatchObject({ ready: true });
    expect(parse((await asked('config', 'view')).stdout)).toMatchObject({ plugins: { packetparser: {} } });
  });

  it('prints flows as JSON lines in a pipe, filtered, and as a table when asked', async () => {
    const lines = async (...args: string[]) => {
      const { stdout, code } = await asked('flows', ...args);
      expect(code).toBe(0);
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    };
    const http = await lines('--pod', 'default/a', '--port', '80', '--since', '5m');
    expect(http.length).toBeGreaterThanOrEqual(4); // two directions at two taps, whatever was merged
    for (const flow of http) expect(Object.values(flow.l4.TCP)).toContain(80);
    expect(await lines('--port', '80', '--last', '3')).toHaveLength(3);
    expect(await lines('--ip', '203.0.113.0/24')).toEqual([]);
    const dropped = await lines('--verdict', 'dropped', '--pod', 'default/b', '--since', '5m');
    expect(dropped).toContainEqual(
      expect.objectContaining({ verdict: 'DROPPED', drop_reason_desc: 'IPTABLE_RULE_DROP' }),
    );
    const table = (await asked('flows', '--port', '80', '-o', 'table')).stdout.split('\n');
    expect(table[0]).toMatch(/^TIME +SOURCE +DESTINATION/);
    expect(table[1]).toMatch(/default\/[ab]/);
    expect(parseAllDocuments((await asked('flows', '-n', '2', '-o', 'yaml')).stdout)).toHaveLength(2);
    expect(await asked('flows', '--port', 'http')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('0 to 65535'),
    });
  });

  it('follows flows until it is told to end', async () => {
    const following = new Running(process.execPath, ['--conditions=@retina/source', CLI, 'flows', '-f', '--protocol', 'udp', '--socket', agent.socket]); // prettier-ignore
    await following.output(/"destination_port":4242/);
    following.kill('SIGINT');
    expect(await following.ended).toBe(0);
  });

  it('ranks talkers, drops and connections', async () => {
    expect((await asked('top', 'drops')).stdout).toMatch(/^REASON +DIRECTION[\s\S]*^IPTABLE_RULE_DROP +ingress/m);
    expect((await asked('top', 'connections', '-o', 'wide')).stdout).toMatch(/^UDP +default\/a:\d+ +default\/b:4242/m);
    expect(JSON.parse((await asked('top', '-o', 'json')).stdout)).toMatchObject({ kind: 'talkers' });
    expect((await asked('top', 'nonsense')).code).toBe(2);
  });

  it('refreshes on a terminal, and gives it back', async () => {
    const command = [
      process.execPath,
      '--conditions=@retina/source',
      CLI,
      'top',
      'connections',
      '--socket',
      agent.socket,
    ];
    const terminal = spawn('script', ['-qfec', `stty cols 80 rows 24; exec ${command.join(' ')}`, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm' },
    });
    let text = '';
    terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await expect.poll(() => text.split('\u001b[H').length, { timeout: 10_000 }).toBeGreaterThan(3);
    expect(text).toContain('default/a');
    terminal.stdin.write('\u0003');
    expect(await once(terminal, 'exit')).toEqual([0, null]);
    expect(text.match(/\u001b\[\?1049[hl]/g)).toEqual(['\u001b[?1049h', '\u001b[?1049l']);
  });
});

describe('retina, alone', () => {
  it('says what to do where no agent answers', async () => {
    const { code, stderr } = await retina('status', '--socket', join(folder, 'none.sock'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/RETINA_AGENT_UNREACHABLE[\s\S]*none\.sock[\s\S]*next: +start an agent/);
  });

  it('finds every mistake of a configuration', async () => {
    const file = join(folder, 'wrong.yaml');
    writeFileSync(file, 'plugins:\n  packetparser:\n    intervall: 1\n  nosuch: {}\nexportres: {}\n');
    const { code, stdout } = await retina('config', 'check', file);
    expect(code).toBe(2);
    expect(stdout.match(/^mistake/gm)).toHaveLength(3);
    expect(stdout).toMatch(/wrong\.yaml:5:1 exportres.*did you mean exporters\?/);
    const document = JSON.parse((await retina('config', 'check', file, '-o', 'json')).stdout);
    expect(document.mistakes.map((m: { path: string }) => m.path)).toContain('plugins.nosuch');
    writeFileSync(file, 'plugins: {packetparser: {}}\n');
    expect(await retina('config', 'check', file)).toMatchObject({ code: 0, stdout: `${file}: valid\n` });
  });

  it('tells what would run, with rights and without', async () => {
    const report = async (...drop: string[]) => {
      const command = [...drop, process.execPath, '--conditions=@retina/source', CLI, 'doctor', '-o', 'json'];
      return JSON.parse((await run(command[0]!, command.slice(1))).stdout);
    };
    const runs = ({ components }: DoctorReport) => Object.fromEntries(components.map((c) => [c.name, c.runs]));
    const collectors = ['packetparser', 'packetforward', 'dropreason', 'dns', 'tcphealth', 'tcpretrans', 'conntrack'];
    const all = (runs: boolean) => Object.fromEntries(collectors.map((name) => [name, runs]));
    expect(runs(await report())).toEqual({ ...all(true), linuxutil: true, prometheus: true });
    // still root, who may read a checkout below /root, but without any right of root's
    const powerless = await report('setpriv', '--inh-caps=-all', '--bounding-set=-all');
    expect(runs(powerless)).toEqual({ ...all(false), linuxutil: true, prometheus: true });
    expect(powerless.missingCapabilities).toEqual(['BPF', 'PERFMON', 'NET_ADMIN']);
  });

  it('survives a reader that goes away', async () => {
    const piped = await run('bash', [
      '-c',
      `set -o pipefail; ${process.execPath} --conditions=@retina/source ${CLI} completion bash | head -1`,
    ]);
    expect(piped.stdout).toMatch(/^# bash completion/);
  });
});
