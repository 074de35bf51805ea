import { API, defineExporter } from '@retina/sdk';
import { config } from './options.ts';

/** Sends metrics, and flows as log records, to an OpenTelemetry receiver. */
export default defineExporter({
  name: 'otlp',
  api: API,
  description: 'Sends metrics and flows to any OpenTelemetry receiver (OTLP), by gRPC or HTTP.',
  stability: 'beta',
  config,
  async setup(ctx) {
    const { openSink } = await import('./sink.ts');
    const sink = await openSink(ctx);
    const { endpoint, protocol } = ctx.config;
    ctx.log.info('sending by OTLP', { endpoint, protocol });
    return sink;
  },
});
