import { type ExporterContext, type FlowBatch, type FlowJson, FlowWriter, type MetricFamily } from '@retina/sdk';
import { family as anyFamily } from '@retina/testkit';
import type { z } from 'zod';
import { type AzureConfig, config } from '../src/options.ts';

/** A counter of given rows. */
export const family: typeof anyFamily = (name, labels, rows, more) =>
  anyFamily(name, labels, rows, { kind: 'counter', ...more });

/** A record as the host's reader would show it; its port says which it is. */
export function flowJson(batch: FlowBatch, row: number): FlowJson {
  const end = { kind: 'pod', namespace: 'shop', pod_name: 'web-1', workloads: [{ kind: 'Deployment', name: 'web' }] };
  return {
    time: '2026-01-02T03:04:05.000Z', start_time: '2026-01-02T03:04:04.000Z', first_seen: '2026-01-02T03:04:04.000Z',
    verdict: 'DROPPED', drop_reason_desc: `reason ${row === 0 ? `\ud800${"x".repeat(2000)}` : ""}`, IP: { source: '10.0.0.1', destination: 'fd00::1', ipVersion: 'IPv6' },
    l4: { TCP: { source_port: batch.sourcePort(row), destination_port: 443 } }, source: end, destination: { kind: 'world' },
    destination_names: ['example.org'], Type: 'L3_L4', node_name: 'node-7', traffic_direction: 'EGRESS', trace_observation_point: 'FROM_ENDPOINT',
    is_reply: false, event: 'update', packets: 3, bytes: 300, rtt_us: 1500, tcp_flag_counts: { SYN: 1, ACK: 2 },
  }; // prettier-ignore
}

/** What the host would give the exporter. */
export function context(
  options: z.input<typeof config>,
  families: () => MetricFamily[] = () => [],
): ExporterContext<AzureConfig> {
  return {
    signal: new AbortController().signal,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    use: <T>(resource: T) => resource,
    config: config.parse(options),
    instance: 'azure-monitor',
    host: { nodeName: 'node-7', clusterName: 'test', version: '1.2.3' },
    metrics: { families },
    flows: { json: flowJson, filter: () => (batch: FlowBatch, row: number) => batch.sourcePort(row) % 10 === 0 },
  } as unknown as ExporterContext<AzureConfig>;
}

export function flowBatch(n: number): FlowBatch {
  const writer = new FlowWriter(n);
  for (let i = 0; i < n; i++)
    writer.add({ family: 4, protocol: 6, sourcePort: i + 1, destinationPort: 443, packets: 3, bytes: 300 });
  return writer.batch();
}

export const never = new AbortController().signal;
