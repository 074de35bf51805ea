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

/** The agent as users start it: the built one where it is built. `identityFile`: the pods it knows. */
export function startAgent(where: Namespace, ready = true, identityFile?: string): Promise<AgentProcess> {
  const built = existsSync(BUILT);
  return AgentProcess.start({
    in: where,
    entry: built ? BUILT : SOURCE,
    nodeArgs: ['--max-semi-space-size=1', ...(built ? [] : ['--conditions=@retina/source'])], // as `npm start`
    config: identityFile === undefined ? CONFIG : { ...CONFIG, identity: { file: identityFile } },
    ready,
  });
}
