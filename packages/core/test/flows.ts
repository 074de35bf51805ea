import {
  Direction,
  type FlowBatch,
  type FlowDetails,
  type FlowValues,
  FlowWriter,
  Observation,
  Verdict,
} from '@retina/sdk';
import type { FlowNames } from '../src/flows/json.ts';
import { parseAddress } from '../src/identity/address.ts';
import { EndpointTable } from '../src/identity/table.ts';

export const A = parseAddress('10.0.0.1')!;
export const B = parseAddress('10.0.0.2')!;
export const OUTSIDE = parseAddress('2001:db8::9')!;
export const T = Date.parse('2026-01-31T12:00:00Z');

/** A host with the pods shop/web-1 (interface 10, namespace 42) and kube-system/dns (interface 11). */
export function pods(): EndpointTable {
  const table = new EndpointTable();
  const local = table.provider(0);
  local.put({
    key: 'a',
    kind: 'pod',
    namespace: 'shop',
    name: 'web-1',
    addresses: ['10.0.0.1'],
    interfaces: [10],
    netns: [42],
    labels: { app: 'web' },
    workloads: [{ kind: 'Deployment', name: 'web' }],
  });
  local.put({
    key: 'b',
    kind: 'pod',
    namespace: 'kube-system',
    name: 'dns',
    addresses: ['10.0.0.2'],
    interfaces: [11],
    learn: true,
  });
  return table;
}

export const names = (table: EndpointTable): FlowNames => ({
  endpoint: (id) => table.recall(id),
  label: (id) => ['unknown', 'overflow', 'NO_SOCKET', 'tcp_v4_rcv'][id] ?? 'unknown',
  interfaceName: (ifindex) => `veth${ifindex}`,
  nodeName: 'node-1',
});

const BASE: FlowValues = {
  sourceAddress: A, destinationAddress: B, sourcePort: 40_000, destinationPort: 53, protocol: 17, family: 4, ifindex: 10,
  observation: Observation.FROM_ENDPOINT, direction: Direction.EGRESS, verdict: Verdict.FORWARDED, packets: 1, bytes: 100,
  start: T, end: T + 1_000, firstSeen: T,
}; // prettier-ignore

/** A batch of records, each a packet from web-1 to dns unless it says otherwise. */
export function batchOf(...records: Partial<FlowValues>[]): FlowBatch {
  const writer = new FlowWriter(Math.max(1, records.length));
  for (const record of records) writer.add({ ...BASE, ...record });
  return writer.batch();
}

/** A batch of such records without packets, with what hangs off each. */
export function detailedBatchOf(...details: (FlowDetails | undefined)[]): FlowBatch {
  const writer = new FlowWriter(Math.max(1, details.length));
  for (const one of details) writer.add({ ...BASE, packets: 0, bytes: 0 }, one);
  return writer.batch();
}
