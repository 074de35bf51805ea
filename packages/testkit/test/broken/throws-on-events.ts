import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';

/** Runs, and throws whenever its time has come. */
export default definePlugin({
  name: 'throws-on-events',
  api: API,
  description: 'Breaks a rule of the contract on purpose.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config: z.object({}),
  metrics: {},
  setup(ctx) {
    ctx.every(500, () => {
      throw new Error('always');
    });
  },
});
