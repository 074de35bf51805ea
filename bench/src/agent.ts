import { existsSync } from 'node:fs';
import { AgentProcess, type Namespace } from '@retina/testkit';

const BUILT = new URL('../../packages/agent/dist/main.js', import.meta.url);
const SOURCE = new URL('../../packages/agent/src/main.ts', import.meta.url);

/** As on one host by default: the plugins of a node's traffic and drops, pod-level metrics with both sides. */
const CONFIG = {
  plugins: { packetparser: {}, packetforward: {}, dropreason: { required: false } },
  exporters: { prometheus: {} },
  enablePodLevel: true,
  remoteContext: true,
};

/** Until an agent has let go of what only starting needed. */
export const STARTED_MS = 12_000;

/** The agent as users start it: the built one where it is built. */
export function agentEntry() {
  const built = existsSync(BUILT);
  return {
    entry: built ? BUILT : SOURCE,
    nodeArgs: ['--max-semi-space-size=1', ...(built ? [] : ['--conditions=@retina/source'])], // as `npm start`
  };
}

/** An agent in a namespace. `identityFile`: the pods it knows. */
export function startAgent(where: Namespace, ready = true, identityFile?: string): Promise<AgentProcess> {
  const identity = identityFile === undefined ? {} : { identity: { file: identityFile } };
  return AgentProcess.start({ in: where, ...agentEntry(), config: { ...CONFIG, ...identity }, ready });
}
