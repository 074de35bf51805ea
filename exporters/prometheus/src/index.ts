import { API, defineExporter } from '@retina/sdk';
import { z } from 'zod';
import { MetricsServer } from './server.ts';

const config = z.object({
  host: z.string().min(1).default('0.0.0.0').describe('Address to serve on; "::" for IPv4 and IPv6.'),
  port: z.int().min(0).max(65_535).default(10_093).describe('TCP port; 0 for any free one.'),
});

/** Serves every metric in the Prometheus text format, and the host's health. */
export default defineExporter({
  name: 'prometheus',
  api: API,
  description: 'Serves every metric in the Prometheus text format.',
  stability: 'beta',
  config,
  async setup(ctx) {
    const { host, port } = ctx.config;
    const server = await MetricsServer.listen({
      host,
      port,
      metrics: ctx.metrics,
      health: () => ctx.health(),
      onError: (error) => ctx.log.error('metrics could not be served', { error }),
    });
    ctx.use(server);
    ctx.serves(`${server.url}/metrics`);
    ctx.log.info('serving metrics', { url: `${server.url}/metrics` });
  },
});
