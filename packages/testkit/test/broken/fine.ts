import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';

/** Keeps to every rule: what the others are compared with. */
export default definePlugin({
  name: 'fine',
  api: API,
  description: 'Keeps to every rule of the contract.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config: z.object({ pollMs: z.int().min(10).default(20).describe('Milliseconds between two looks.') }),
  metrics: { looks_total: { kind: 'counter', help: 'How often it looked.' } },
  setup(ctx) {
    ctx.every(ctx.config.pollMs, () => ctx.metrics.looks_total.add(1));
  },
});
