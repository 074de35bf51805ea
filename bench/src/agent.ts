import { existsSync } from 'node:fs';
import { AgentProcess, type Namespace } from '@retina/testkit';

const BUILT = new URL('../../packages/agent/dist/main.js', import.meta.url);
const SOURCE = new URL('../../packages/agent/src/main.ts', import.meta.url);

/** As on one host by default: every built-in plugin, pod-level metrics with both sides. */
const CONFIG = {
  plugins: { packetparser: {}, packetforward: {}, dropreason: { required: false } },
  exporters: { prometheus: {} },
  enablePodLevel: true,
  remoteContext: true,
};

/** The agent as users start it: the built one where it is built. */
export function startAgent(where: Namespace, ready = true): Promise<AgentProcess> {
  const built = existsSync(BUILT);
  return AgentProcess.start({
    in: where,
    entry: built ? BUILT : SOURCE,
    nodeArgs: ['--max-semi-space-size=1', ...(built ? [] : ['--conditions=@retina/source'])], // as `npm start`
    config: CONFIG,
    ready,
  });
}
