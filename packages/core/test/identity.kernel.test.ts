import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { World } from './world.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot && process.env['CI'] === 'true') throw new Error('kernel tests need root');

interface Known {
  readonly endpoints: readonly { kind: string; name: string; addresses: readonly string[] }[];
  readonly interfaces: readonly string[];
  readonly namespaces: readonly string[];
}

describe.skipIf(!isRoot)('endpoints of this host', () => {
  let world: World;
  let child: ChildProcess;
  let lines: Interface;
  let answers: AsyncIterator<string>;
  const extra = `corehost-${process.pid}-late`;

  beforeEach(() => {
    world = new World();
    world.link('one', 1);
    const script = fileURLToPath(new URL('identity-child.ts', import.meta.url));
    const node = [process.execPath, '--conditions=@retina/source', script];
    child = spawn('ip', ['netns', 'exec', world.host, ...node], { stdio: ['pipe', 'pipe', 'inherit'] });
    lines = createInterface(child.stdout!);
    answers = lines[Symbol.asyncIterator]();
  });
  afterEach(async () => {
    const exited = once(child, 'exit');
    child.stdin!.end();
    await exited;
    world[Symbol.dispose]();
    execFileSync('sh', ['-c', `ip netns del ${extra} 2>/dev/null || true`]);
  });

  async function ask(interfaces: number[] = [], namespaces: string[] = []): Promise<Known> {
    const inodes = namespaces.map((name) => statSync(`/run/netns/${name}`).ino);
    child.stdin!.write(`${JSON.stringify([interfaces, inodes])}\n`);
    return JSON.parse((await answers.next()).value as string) as Known;
  }
  const index = (name: string) => Number(/^(\d+)/.exec(world.run(world.host, 'ip', '-o', 'link', 'show', name))![1]);

  test('are the host and each namespace at the other end of a veth, by name, address, interface and inode', async () => {
    const known = await ask([index('one')], [world.peer, world.host]);
    const by = (name: string) => known.endpoints.find((e) => e.name === name);
    expect(by('host')).toMatchObject({
      kind: 'host',
      addresses: expect.arrayContaining(['127.0.0.1', '10.77.1.1', '::1']),
    });
    expect(by(world.peer)?.addresses).toContain('10.77.1.2');
    expect(by(world.host)).toBeUndefined();
    expect([known.interfaces, known.namespaces]).toEqual([[world.peer], [world.peer, 'host']]);
  });

  test('come and go with their namespace, within moments', async () => {
    await ask();
    world.ip(`netns add ${extra}`);
    world.ip(`-n ${world.host} link add late0 type veth peer name eth0 netns ${extra}`);
    const began = performance.now();
    const late = index('late0');
    await vi.waitFor(async () => expect((await ask([late])).interfaces).toEqual([extra]), {
      timeout: 3_000,
      interval: 10,
    });
    const named = performance.now() - began;
    world.ip(`-n ${extra} addr add 10.77.9.2/24 dev eth0`);
    world.ip(`-n ${extra} link set eth0 up`);
    const addresses = async () => (await ask()).endpoints.find((e) => e.name === extra)?.addresses ?? [];
    await vi.waitFor(async () => expect(await addresses()).toContain('10.77.9.2'), { timeout: 3_000, interval: 10 });
    const addressed = performance.now() - began;
    world.ip(`netns del ${extra}`);
    await vi.waitFor(async () => expect((await ask([late])).interfaces).toEqual(['']), {
      timeout: 3_000,
      interval: 10,
    });
    // Usually 20 and 150 ms; the bound is for a busy machine.
    expect([named < 1_000, addressed < 2_000]).toEqual([true, true]);
  });
});
