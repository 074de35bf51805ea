import { openSync } from 'node:fs';
import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';

/** Opens a file at each start and closes none. */
export default definePlugin({
  name: 'keeps-a-file',
  api: API,
  description: 'Breaks a rule of the contract on purpose.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config: z.object({}),
  metrics: {},
  setup: () => void openSync('/proc/self/status', 'r'),
});
