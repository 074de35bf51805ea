import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Health } from '@retina/sdk';
import { AgentProcess, NodeWorld, patience, World } from '@retina/testkit/kernels';
import type { FloorResult, Task } from '../results.ts';

/** A namespace's own mount of /sys, without the kernel's types. */
const HIDDEN = ['sh', '-c', 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', '-'];
const SETTLE_MS = 20_000;

/** Starts the agent on a kernel that publishes no types, which is below the floor: it must live, and say what is missing. Never throws. */
export async function testFloor(task: Task): Promise<FloorResult> {
  const plugins = task.plugins.filter(({ btf }) => btf);
  try {
    await using world = await World.create('floor');
    const net = await NodeWorld.create(world, ['a']);
    await using agent = await AgentProcess.start({
      in: net.node,
      entry: new URL(task.agent),
      under: HIDDEN,
      ready: false,
      config: {
        plugins: Object.fromEntries(plugins.map(({ module }) => [fileURLToPath(module), {}])),
        exporters: { prometheus: {} },
        identity: { local: false },
      },
    });
    const health = await settled(agent);
    const silent = health.components
      .filter(({ kind, causes }) => kind === 'plugin' && !causes.some(({ code }) => code === 'RETINA_BTF_MISSING'))
      .map(({ name, state, causes }) => `${name} is ${state}: ${causes.map(({ message }) => message).join('; ') || 'no cause'}`); // prettier-ignore
    if (silent.length) return { error: silent.join('\n') };
    const code = await agent.stop();
    return code === 0 ? {} : { error: `the agent ended with ${code}` };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** What it says of itself once every plugin has come to an end of its start. */
async function settled(agent: AgentProcess): Promise<Health> {
  const deadline = Date.now() + SETTLE_MS * patience;
  for (;;) {
    const answer = await agent.get('/healthz').catch(() => undefined);
    const health = answer && (JSON.parse(answer.body) as Health);
    const plugins = health?.components.filter(({ kind }) => kind === 'plugin') ?? [];
    if (health && plugins.length && plugins.every(({ state }) => /^(failed|running|degraded)$/.test(state)))
      return health;
    if (!agent.running.running || Date.now() > deadline)
      throw new Error(`it does not settle: ${agent.log.slice(-2000)}`);
    await sleep(200);
  }
}
