import { fileURLToPath } from 'node:url';
import type { KernelFeatures } from '@retina/sdk';
import { AgentProcess, NodeWorld, World } from '@retina/testkit/kernels';
import type { RightsResult, Task } from '../results.ts';

const USER = '65532';
const CAPABILITIES = ['bpf', 'perfmon', 'net_admin'];
/** A container's usual limit, in KiB. */
const MEMLOCK = 64;
/** Longest error message kept: those of an agent end with its whole log. */
const MESSAGE = 2000;
const STATE = 'retina_plugin_state';

/** Starts the agent as a chart would: a plain user with few capabilities that can gain no others. Never throws. */
export async function testRights(task: Task, { version: [major, minor] }: KernelFeatures): Promise<RightsResult> {
  // before 5.11 maps count as locked memory, whose limit only this one lifts
  const old = major < 5 || (major === 5 && minor < 11);
  const capabilities = old ? [...CAPABILITIES, 'sys_resource'] : CAPABILITIES;
  const plugins = task.plugins.filter(({ capabilities: needed }) =>
    needed.every((name) => capabilities.includes(name.toLowerCase())),
  );
  const list = capabilities.map((name) => `+${name}`).join(',');
  const under = [
    ...['bash', '-c', `ulimit -l ${MEMLOCK}; exec "$@"`, '-', 'setpriv', '--reuid', USER, '--regid', USER],
    ...['--clear-groups', '--no-new-privs', `--inh-caps=-all,${list}`, `--ambient-caps=-all,${list}`],
    `--bounding-set=-all,${list}`,
  ];
  try {
    await using world = await World.create('rights');
    const net = await NodeWorld.create(world, ['a']);
    await using agent = await AgentProcess.start({
      in: net.node,
      entry: new URL(task.agent),
      under,
      config: {
        plugins: Object.fromEntries(plugins.map(({ module }) => [fileURLToPath(module), {}])),
        exporters: { prometheus: {} },
        identity: { local: false },
      },
    });
    const states = (await agent.metrics()).select(STATE).filter(({ value }) => value === 1);
    const byName = states.map(({ labels }) => [labels['plugin'] ?? '', labels['state'] ?? ''] as const);
    return { capabilities, plugins: Object.fromEntries(byName) };
  } catch (error) {
    return {
      capabilities,
      plugins: {},
      error: (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE),
    };
  }
}
