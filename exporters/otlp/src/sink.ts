import type { ExporterContext, FlowFilterTerms, FlowPredicate, FlowReader, Sink } from '@retina/sdk';
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
        wanted: wantedFlows(ctx.flows, config.flows),
      })
    : undefined;
  return {
    // A push of many series is many requests.
    push: { flowBatch: config.flows.batch, flowWaitMs: config.flows.windowMs, timeoutMs: config.timeoutMs * 3 },
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

/** What one of `include` fits, or all, without what one of `exclude` fits. */
function wantedFlows(
  reader: Pick<FlowReader, 'filter'>,
  { include, exclude }: { include: readonly FlowFilterTerms[]; exclude: readonly FlowFilterTerms[] },
): FlowPredicate {
  const yes = include.map((terms) => reader.filter(terms));
  const no = exclude.map((terms) => reader.filter(terms));
  return (batch, row) => {
    for (const test of no) if (test(batch, row)) return false;
    if (yes.length === 0) return true;
    for (const test of yes) if (test(batch, row)) return true;
    return false;
  };
}
