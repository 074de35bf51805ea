import { type ExporterContext, flowSelection, type Sink } from '@retina/sdk';
import { CredentialFiles } from './credentials.ts';
import { FlowPush } from './flows.ts';
import { MetricsPush } from './metrics.ts';
import type { OtlpConfig } from './options.ts';
import { resourceOf } from './resource.ts';
import type { Transport } from './transport.ts';

/** Everything that stands on the OpenTelemetry libraries; imported when an exporter is configured, not before. */
export async function openSink(ctx: ExporterContext<OtlpConfig>): Promise<Sink> {
  const { config, host } = ctx;
  const credentials = new CredentialFiles(config);
  await credentials.read(); // a wrong path is said now
  const transport = await openTransport(config);
  ctx.defer(() => transport.close());
  const resource = resourceOf(host, config.resource);
  const metrics = config.metrics.enabled
    ? new MetricsPush(config, resource, host.version, transport, credentials)
    : undefined;
  const flows = config.flows.enabled
    ? new FlowPush({
        config,
        origin: { resource, scope: { name: 'retina', version: host.version } },
        texts: { endpoints: ctx.endpoints, labelText: (id) => ctx.labelText(id) },
        instance: ctx.instance,
        metrics: ctx.metrics,
        transport,
        credentials,
        wanted: flowSelection(ctx.flows, config.flows.include, config.flows.exclude),
      })
    : undefined;
  return {
    // A push of many series is many requests.
    push: { flowBatch: config.flows.batch, flowWaitMs: config.flows.windowMs, timeoutMs: config.timeoutMs * 4 },
    ...(metrics && { metrics: (reader, signal) => metrics.push(reader, signal) }),
    ...(flows && { flows: (batch, signal) => flows.push(batch, signal) }),
  };
}

async function openTransport(config: OtlpConfig): Promise<Transport> {
  if (config.protocol === 'grpc') {
    const { GrpcTransport } = await import('./grpc.ts');
    return new GrpcTransport(config);
  }
  const { HttpTransport } = await import('./http.ts');
  return new HttpTransport(config);
}
