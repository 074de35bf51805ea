import { FlowEvent, Observation, Reply, Verdict } from '@retina/sdk';
import { beforeEach, describe, expect, it } from 'vitest';
import { batchOf, detailedBatchOf, names, OUTSIDE, pods } from '../../test/flows.ts';
import type { EndpointTable } from '../identity/table.ts';
import { flowJson } from './json.ts';
import { FlowPipeline } from './pipeline.ts';

let table: EndpointTable;
beforeEach(() => {
  table = pods();
});

describe('flowJson', () => {
  it('has the shape of Hubble’s flow, with counters', () => {
    const batch = batchOf({
      verdict: Verdict.DROPPED, dropReason: 2, dropLocation: 3, protocol: 6, destinationPort: 80, tcpFlags: 0b10_0000_0001,
      flagCounts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 2], isReply: Reply.YES, event: FlowEvent.END, rttMicros: 1_500, retransmits: 2, netns: 42,
    }); // prettier-ignore
    new FlowPipeline({ endpoints: table }).source('p').emit(batch);
    expect(flowJson(batch, 0, names(table))).toEqual({
      time: '2026-01-31T12:00:01.000Z',
      start_time: '2026-01-31T12:00:00.000Z',
      first_seen: '2026-01-31T12:00:00.000Z',
      verdict: 'DROPPED',
      drop_reason_desc: 'NO_SOCKET',
      drop_location: 'tcp_v4_rcv',
      IP: { source: '10.0.0.1', destination: '10.0.0.2', ipVersion: 'IPv4' },
      l4: { TCP: { source_port: 40_000, destination_port: 80, flags: { FIN: true, SYN: true, ACK: true } } },
      source: {
        kind: 'pod',
        namespace: 'shop',
        pod_name: 'web-1',
        labels: ['app=web'],
        workloads: [{ kind: 'Deployment', name: 'web' }],
      },
      destination: { kind: 'pod', namespace: 'kube-system', pod_name: 'dns' },
      Type: 'L3_L4',
      node_name: 'node-1',
      traffic_direction: 'EGRESS',
      trace_observation_point: 'FROM_ENDPOINT',
      is_reply: true,
      event: 'end',
      interface: { index: 10, name: 'veth10' },
      netns: 42,
      packets: 1,
      bytes: 100,
      tcp_flag_counts: { FIN: 1, SYNACK: 2 },
      rtt_us: 1_500,
      retransmits: 2,
    });
  });

  it('says nothing about what is not known', () => {
    const batch = batchOf({
      sourceAddress: OUTSIDE,
      destinationAddress: OUTSIDE,
      family: 6,
      protocol: 47,
      observation: Observation.HOST,
      ifindex: 0,
      isReply: Reply.UNKNOWN,
    });
    const json = flowJson(batch, 0, names(table));
    expect(json).toMatchObject({ l4: { 'protocol-47': {} }, source: { kind: 'unknown' }, IP: { ipVersion: 'IPv6' } });
    for (const key of ['is_reply', 'interface', 'netns', 'drop_reason_desc', 'sampling'])
      expect(json).not.toHaveProperty(key);
  });

  it('renders what hangs off a record, and names that DNS gave the ends nobody knows', () => {
    const dns = {
      id: 7,
      response: true,
      query: 'a"\\.example',
      queryType: 'A',
      responseCode: 'NOERROR',
      latencyMs: 1.5,
    };
    const batch = detailedBatchOf(
      { dns },
      { policies: [{ kind: 'nftables', name: 'filter/drop' }], reason: 'denied', packet: Uint8Array.of(0x45, 0, 255) },
    );
    const json = flowJson(batch, 0, { ...names(table), addressNames: () => ['a.example', 'b.example'] });
    expect(json).toMatchObject({
      Type: 'L7',
      dns: { id: 7, response: true, query: 'a"\\.example', query_type: 'A', response_code: 'NOERROR', latency_ms: 1.5 },
      source_names: ['a.example', 'b.example'],
    });
    new FlowPipeline({ endpoints: table }).source('p').resolve(batch);
    expect(flowJson(batch, 1, { ...names(table), addressNames: () => ['x'] })).toMatchObject({
      Type: 'L3_L4',
      policies: [{ kind: 'nftables', name: 'filter/drop' }],
      reason: 'denied',
      packet: '4500ff',
    });
    expect(flowJson(batch, 1, { ...names(table), addressNames: () => ['x'] })).not.toHaveProperty('source_names');
  });

  it('has round-trip and set-up times in microseconds', () => {
    const batch = batchOf({ rttMicros: 3, minRttMicros: 2, setupMicros: 5 });
    expect(flowJson(batch, 0, names(table))).toMatchObject({ rtt_us: 3, min_rtt_us: 2, setup_us: 5 });
  });
});
