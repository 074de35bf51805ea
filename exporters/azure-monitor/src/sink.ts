import type { TokenCredential } from '@azure/core-auth';
import { type ExporterContext, flowSelection, type Sink } from '@retina/sdk';
import { rootCertificates } from 'node:tls';
import { Connections } from './connections.ts';
import { credentialOf, readable } from './identity.ts';
import type { AzureConfig } from './options.ts';

/** Everything that stands on the Azure libraries; imported when an exporter is configured, not before. */
export async function openSink(ctx: ExporterContext<AzureConfig>): Promise<Sink> {
  const { config, host } = ctx;
  const ca = config.ca === undefined ? undefined : [await readable(config.ca), ...rootCertificates].join('\n');
  const connections = ctx.use(new Connections(ca));
  await credentialOf(config, connections); // what is missing is said now
  const credential = (): Promise<TokenCredential | undefined> => credentialOf(config, connections);
  const { metrics, flows, timeoutMs } = config;
  const sink: { -readonly [K in keyof Sink]: Sink[K] } = {
    push: { flowBatch: flows.batch, flowWaitMs: flows.windowMs, timeoutMs: timeoutMs * 3 },
  };
  if (metrics.enabled) {
    const { connectionString, connectionStringFile, itemsPerRequest } = metrics;
    const read = () =>
      connectionStringFile === undefined ? Promise.resolve(connectionString!) : readable(connectionStringFile);
    await read();
    const { MetricsPush } = await import('./metrics.ts');
    const push = new MetricsPush({
      facts: host,
      connectionString: read,
      credential,
      itemsPerRequest,
      timeoutMs,
      connections,
    });
    sink.metrics = (reader, signal) => push.push(reader, signal);
  }
  if (flows.enabled) {
    const { FlowPush } = await import('./flows.ts');
    const push = new FlowPush({
      endpoint: flows.endpoint!.replace(/\/+$/, ''),
      ruleId: flows.ruleId!,
      stream: flows.stream,
      audience: flows.audience,
      credential,
      connections,
      timeoutMs,
      cluster: host.clusterName,
      reader: ctx.flows,
      wanted: flowSelection(ctx.flows, flows.include, flows.exclude),
    });
    sink.flows = (batch, signal) => push.push(batch, signal);
  }
  return sink;
}
