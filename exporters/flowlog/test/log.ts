import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Direction, FlowWriter, Observation, Reply, Verdict, type Endpoint, type EndpointReader, type FlowBatch, type FlowJson, type FlowValues, type Logger } from '@retina/sdk'; // prettier-ignore

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
export const never = new AbortController().signal;
export const T = Date.parse('2026-01-31T12:00:00Z');

/** A folder of its own, gone at the end. */
export function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'retina-flowlog-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Records numbered by source port, from `first` on. */
export function numbered(count: number, first = 0): FlowBatch {
  const writer = new FlowWriter(count);
  for (let n = 0; n < count; n++) writer.add({ sourcePort: first + n, packets: 1 });
  return writer.batch();
}

const BASE: FlowValues = {
  family: 4, protocol: 6, sourcePort: 40_000, destinationPort: 80, packets: 2, bytes: 300, start: T, end: T + 500, sourceEndpoint: 1,
  destinationEndpoint: 3, verdict: Verdict.FORWARDED, direction: Direction.EGRESS, observation: Observation.FROM_ENDPOINT, isReply: Reply.NO,
}; // prettier-ignore

export function batchOf(...records: FlowValues[]): FlowBatch {
  const writer = new FlowWriter(records.length);
  for (const record of records) writer.add({ ...BASE, ...record });
  return writer.batch();
}

const pod = (id: number, name: string, workload?: string): Endpoint => ({
  id, kind: id === 0 ? 'unknown' : 'pod', namespace: id === 0 ? '' : 'shop', name, workloads: workload ? [{ kind: 'Deployment', name: workload }] : [],
  labels: {}, service: '', zone: '', node: '', addresses: [],
}); // prettier-ignore
const PODS = [pod(0, ''), pod(1, 'web-1', 'web'), pod(2, 'web-2', 'web'), pod(3, 'db-0', 'db')];

/** shop/web-1 and shop/web-2 of Deployment web, shop/db-0 of Deployment db. */
export const endpoints: EndpointReader = { byId: (id) => PODS[id] ?? PODS[0]!, byAddress: () => PODS[0]! };

/** As the host makes it, of what these tests look at. */
export function json(batch: FlowBatch, row: number): FlowJson {
  const end = (id: number) => {
    const { kind, namespace, name, workloads } = endpoints.byId(id);
    return { kind, ...(name && { namespace, pod_name: name, workloads }) };
  };
  return {
    time: new Date(batch.end(row)).toISOString(), start_time: new Date(batch.start(row)).toISOString(), first_seen: '', verdict: 'FORWARDED',
    IP: { source: '10.0.0.1', destination: '10.0.0.2', ipVersion: 'IPv4' },
    l4: { TCP: { source_port: batch.sourcePort(row), destination_port: batch.destinationPort(row) } },
    source: end(batch.sourceEndpoint(row)), destination: end(batch.destinationEndpoint(row)), Type: 'L3_L4', traffic_direction: 'EGRESS',
    trace_observation_point: 'FROM_ENDPOINT', is_reply: batch.isReply(row) === 1, event: 'update', packets: batch.packets(row), bytes: batch.bytes(row),
  }; // prettier-ignore
}
