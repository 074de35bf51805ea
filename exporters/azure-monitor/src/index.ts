import { API, defineExporter } from '@retina/sdk';
import { config } from './options.ts';

/** Sends metrics to Application Insights and flow records to Log Analytics. */
export default defineExporter({
  name: 'azure-monitor',
  api: API,
  description: 'Sends metrics to Azure Monitor (Application Insights) and flows to Log Analytics.',
  stability: 'beta',
  config,
  async setup(ctx) {
    const { openSink } = await import('./sink.ts');
    const sink = await openSink(ctx);
    const { metrics, flows, credential } = ctx.config;
    ctx.log.info('sending to Azure Monitor', {
      metrics: metrics.enabled,
      flows: flows.enabled,
      credential: credential.type,
    });
    return sink;
  },
});
