import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentProcess, NodeWorld, run, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG, FlowTally, KERNEL, startAgent, swallow } from '../exact/fixture.ts';
import { othersObject, send } from './fixture.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url);

describe.runIf(KERNEL)('beside others on one host', { timeout: 120_000 }, () => {
  let world: World;
  let net: NodeWorld;

  beforeAll(async () => {
    world = await World.create('beside');
    net = await NodeWorld.create(world, ['a', 'b']);
    await swallow(net.pod('a'), net.pod('b'));
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const second = { ...CONFIG, exporters: { prometheus: { port: 10_193 } } };
  const start = (config: Readonly<Record<string, unknown>>) =>
    AgentProcess.start({ in: net.node, entry: MAIN, config, nodeArgs: ['--conditions=@retina/source'], port: 10_193 });
  const at = (tally: FlowTally) => tally.sum((flow) => flow.interface?.name === 'vetha' && 'UDP' in flow.l4).packets;

  it('two agents with ports of their own each count everything, whichever ends first', async () => {
    await using first = await startAgent(net);
    {
      await using other = await start(second);
      await using tallies = new AsyncDisposableStack();
      const both = [first, other].map(async (agent) => tallies.use(await FlowTally.start(agent)));
      const [one, two] = (await Promise.all(both)) as [FlowTally, FlowTally];
      await send(net, 3000);
      await expect.poll(() => [at(one), at(two)], { timeout: 8000 }).toEqual([3000, 3000]);
      await tallies.disposeAsync();
      other.running.kill('SIGKILL');
      await other.running.ended;
    }
    await using tally = await FlowTally.start(first);
    await send(net, 2000);
    await expect.poll(() => at(tally), { timeout: 8000 }).toBe(2000);
  });

  it('a second agent with the same port, or with clsact, is refused; the first goes on', async () => {
    await using first = await startAgent(net);
    await expect(start({ ...second, enableTCX: 'off' })).rejects.toThrow(
      /Another agent observes this network namespace/,
    );
    await expect(start(CONFIG)).rejects.toThrow(/EADDRINUSE|RETINA_LISTEN_FAILED/);
    await using tally = await FlowTally.start(first);
    await send(net, 1000);
    await expect.poll(() => at(tally), { timeout: 8000 }).toBe(1000);
  });

  it('pins of another tool stay as they are when an agent starts, ends and is killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retina-pins-'));
    const config = { plugins: { packetparser: {} }, exporters: { prometheus: { host: '127.0.0.1', port: 10_094 } }, api: { socket: join(folder, 'agent.sock') } }; // prettier-ignore
    writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
    const agent = `${process.execPath} --conditions=@retina/source ${fileURLToPath(MAIN)} --config ${folder}/config.yaml --no-tui`;
    // A mount and a network namespace of their own: nobody else's bpffs, and no interface but lo.
    const script = `
      ip link set lo up
      mount -t bpf bpf /sys/fs/bpf
      bpftool prog loadall ${othersObject()} /sys/fs/bpf/theirs pinmaps /sys/fs/bpf/maps
      state() { find /sys/fs/bpf | sort; bpftool -j map dump pinned /sys/fs/bpf/maps/seen; }
      start() { ${agent} > ${folder}/log 2>&1 & pid=$!; until grep -q '"msg":"observing"' ${folder}/log; do kill -0 $pid || { cat ${folder}/log >&2; exit 1; }; sleep 0.05; done; }
      state > ${folder}/before
      start; state > ${folder}/during; kill -TERM $pid; wait $pid; state > ${folder}/after
      start; kill -KILL $pid; wait $pid 2>/dev/null || true; state > ${folder}/killed
      start; kill -TERM $pid; wait $pid; state > ${folder}/again
      for then in during after killed again; do cmp ${folder}/before ${folder}/$then; done
      cat ${folder}/before`;
    try {
      const { stdout } = await run('unshare', ['--mount', '--net', 'sh', '-ec', script], { timeoutMs: 100_000 });
      expect(stdout).toContain('/sys/fs/bpf/maps/seen');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
