import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { KernelFeatures } from '@retina/sdk';
import { AgentProcess, datagrams, NodeWorld, patience, World } from '@retina/testkit/kernels';
import type { RightsResult, Task } from '../results.ts';

const USER = '65532';
const CAPABILITIES = ['bpf', 'perfmon', 'net_admin'];
/** A container's usual limit, in KiB. */
const MEMLOCK = 64;
/** Longest error message kept: those of an agent end with its whole log. */
const MESSAGE = 2000;
const STATE = 'retina_plugin_state';
const PACKETS = 100;
const COUNTED_MS = 10_000;

/** Starts the agent as a chart would, a plain user with few capabilities that can gain no others, and has it count. Never throws. */
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
    await counts(agent, net, plugins);
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

/** Throws unless the agent counts packets as they are sent. */
async function counts(agent: AgentProcess, net: NodeWorld, plugins: Task['plugins']): Promise<void> {
  if (!plugins.some(({ name }) => name === 'packetforward')) return;
  const count = async () => (await agent.metrics()).sum('networkobservability_forward_count', { direction: 'ingress' });
  const before = await count();
  const { ipv4: source } = net.outsideAddress;
  await datagrams(net.outside, { source, destination: net.pod('a').ipv4, port: 9, packets: PACKETS });
  const deadline = Date.now() + COUNTED_MS * patience;
  let counted = 0;
  do {
    await sleep(200);
    counted = (await count()) - before;
  } while (counted < PACKETS && Date.now() < deadline);
  if (counted !== PACKETS) throw new Error(`it counted ${counted} of ${PACKETS} packets`);
}
