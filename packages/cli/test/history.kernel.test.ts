import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FlowJson } from '@retina/core';
import { AgentProcess, connect, NodeWorld, run, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const CLI = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const AGENT = new URL('../../agent/src/main.ts', import.meta.url);
const patient = { timeout: 20_000, interval: 200 };

describe('what passed', () => {
  let world: World;
  let net: NodeWorld;
  let folder: string;
  let config: Record<string, unknown>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'retina-history-'));
    world = await World.create('flowlog');
    net = await NodeWorld.create(world, ['a', 'b']);
    symlinkSync('/dev/full', join(folder, 'flows.jsonl'));
    const flowlog = { path: join(folder, 'flows.jsonl'), allow: [{ pod: 'shop/a' }], push: { wait: '100ms', retry: { first: '100ms', longest: '500ms', giveUpAfter: '1s' } } }; // prettier-ignore
    const history = { records: 64, directory: join(folder, 'history') };
    config = {
      plugins: { packetparser: {} },
      exporters: { prometheus: {}, flowlog },
      identity: { file: join(folder, 'identity.json') },
      flows: { history },
    };
  }, 60_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const names = (...pods: ('a' | 'b')[]) => {
    const endpoints = pods.map((name) => ({ addresses: [net.pod(name).ipv4], namespace: 'shop', name }));
    writeFileSync(join(folder, 'identity.json'), JSON.stringify({ endpoints }));
  };
  const start = () => AgentProcess.start({ in: net.node, entry: AGENT, config });
  const retina = async (agent: AgentProcess, ...args: string[]) => {
    const command = ['--conditions=@retina/source', CLI, ...args, '-o', 'json', '--socket', agent.socket];
    return (await run(process.execPath, command)).stdout;
  };
  const flows = async (agent: AgentProcess, ...args: string[]) =>
    (await retina(agent, 'flows', ...args)).split('\n').filter(Boolean).map((line) => JSON.parse(line) as FlowJson); // prettier-ignore
  const talk = async (times: number) => {
    const [a, b] = [net.pod('a'), net.pod('b')];
    const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 80 });
    for (let i = 0; i < times; i++) await connect(a.namespace, { destination: b.ipv4, port: 80, packets: 3, size: 200 });
    await server.stop();
  }; // prettier-ignore

  it('is told after the pods are gone and the agent was restarted; a full disk costs the log, which comes back', async () => {
    names('a', 'b');
    let before: readonly FlowJson[];
    let until: string;
    {
      await using agent = await start();
      await talk(20);
      await vi.waitFor(async () => {
        const text = await retina(agent, 'status');
        expect(text).toMatch(/"name": ?"flowlog"[^}]*"state": ?"degraded"/);
        expect((await agent.metrics()).sum('retina_lost_records_total', { component: 'flowlog' })).toBeGreaterThan(0);
      }, patient);
      unlinkSync(join(folder, 'flows.jsonl'));
      await talk(1);
      await vi.waitFor(async () => {
        expect(await retina(agent, 'status')).toMatch(/"name": ?"flowlog"[^}]*"state": ?"running"/);
        expect(existsSync(join(folder, 'flows.jsonl'))).toBe(true);
        await talk(1);
      }, patient);
      before = await flows(agent, '--since', '30m', '--pod', 'shop/a');
      expect(before.length).toBeGreaterThan(64); // more than memory holds
      until = new Date().toISOString();
      await agent.stop();
    }
    const lines = readFileSync(join(folder, 'flows.jsonl'), 'utf8').trimEnd().split('\n');
    for (const line of lines) {
      const { flow } = JSON.parse(line) as { flow: FlowJson };
      expect([flow.source.pod_name, flow.destination.pod_name]).toContain('a');
    }

    names(); // they are gone
    await using agent = await start();
    const after = await flows(agent, '--since', '30m', '--pod', 'shop/a', '--until', until);
    const told = new Set(after.map((flow) => JSON.stringify(flow)));
    expect(before.filter((flow) => !told.has(JSON.stringify(flow)))).toEqual([]);
    const sent = after.find(({ IP }) => IP.source === net.pod('a').ipv4); // the first may be an answer
    expect(sent).toMatchObject({ source: { namespace: 'shop', pod_name: 'a' } });
    expect(await flows(agent, '--since', '30m', '--pod', 'shop/nobody')).toEqual([]);
    expect(await flows(agent, '--since', '30m', '--last', '3', '--pod', 'shop/a')).toHaveLength(3);
  }, 120_000);
});
