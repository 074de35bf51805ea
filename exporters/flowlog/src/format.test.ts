import type { FlowJson } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { formatter, type FormatOptions } from './format.ts';
import type { LogRecord } from './record.ts';

const WEB = {
  kind: 'pod',
  namespace: 'shop',
  pod_name: 'web-1',
  labels: ['app=web'],
  workloads: [{ kind: 'Deployment', name: 'web' }],
};
const FLOW: FlowJson = {
  time: '2026-01-31T12:00:01.000Z', start_time: '2026-01-31T12:00:00.000Z', first_seen: '2026-01-31T12:00:00.000Z', verdict: 'FORWARDED',
  IP: { source: '10.0.0.1', destination: '10.96.0.10', ipVersion: 'IPv4' },
  l4: { TCP: { source_port: 40000, destination_port: 80, flags: { SYN: true, ACK: true } } },
  source: WEB, destination: { kind: 'service', namespace: 'shop', pod_name: 'db' },
  translated_to: { destination: { kind: 'pod', namespace: 'shop', pod_name: 'db-0', address: '10.0.0.9', port: 5432 } },
  Type: 'L3_L4', node_name: 'node-1', traffic_direction: 'EGRESS', trace_observation_point: 'FROM_ENDPOINT', is_reply: false,
  event: 'start', interface: { index: 7, name: 'veth7' }, netns: 42, packets: 2, bytes: 300, tcp_flag_counts: { SYNACK: 1 }, rtt_us: 250,
}; // prettier-ignore
const DROP: FlowJson = {
  ...FLOW, verdict: 'DROPPED', drop_reason_desc: 'NO_SOCKET', drop_location: 'tcp_v4_rcv', trace_observation_point: 'HOST', l4: { 'protocol-47': {} },
  source: { kind: 'world' }, policies: [{ kind: 'nftables', name: 'chain x' }], traffic_direction: 'INGRESS',
}; // prettier-ignore
const DNS: FlowJson = {
  ...FLOW, Type: 'L7', l4: { UDP: { source_port: 53, destination_port: 4 } },
  dns: { id: 1, response: true, query: 'a.test', query_type: 'A', response_code: 'NXDOMAIN', latency_ms: 1.5 },
}; // prettier-ignore

const line = (record: LogRecord, more: Partial<FormatOptions> = {}) => {
  const text = formatter({ format: 'hubble', fields: [], version: '1.2.3', ...more })({ ...record });
  expect(text.endsWith('\n') && text.indexOf('\n') === text.length - 1).toBe(true);
  return JSON.parse(text) as Record<string, unknown>;
};

describe('lines', () => {
  it("wrap a flow as Hubble's command line prints it, counters added", () => {
    expect(line(FLOW)).toEqual({ flow: FLOW, node_name: 'node-1', time: FLOW.time });
    expect(line(DROP)).toEqual({ flow: DROP, node_name: 'node-1', time: FLOW.time });
  });

  it("hold, where strict, what Hubble's schema has and nothing else", () => {
    const strict = (record: LogRecord) => line(record, { format: 'hubble-strict' })['flow'];
    expect(strict(FLOW)).toEqual({
      time: FLOW.time, verdict: 'FORWARDED', IP: FLOW.IP, l4: FLOW.l4, Type: 'L3_L4', node_name: 'node-1', is_reply: false,
      source: { namespace: 'shop', labels: ['k8s:app=web'], pod_name: 'web-1', workloads: WEB.workloads },
      destination: { namespace: 'shop' }, destination_service: { name: 'db', namespace: 'shop' }, event_type: { type: 4, sub_type: 5 },
      traffic_direction: 'EGRESS', trace_observation_point: 'FROM_ENDPOINT', interface: FLOW.interface,
      emitter: { name: 'Retina', version: '1.2.3' }, Summary: 'TCP Flags: SYN, ACK',
    });
    expect(strict(DROP)).toMatchObject({
      drop_reason_desc: 'DROP_REASON_UNKNOWN', Summary: 'NO_SOCKET', event_type: { type: 1 }, source: { identity: 2, labels: ['reserved:world'] },
      ingress_denied_by: [{ name: 'chain x', kind: 'nftables' }],
    });
    expect(strict(DROP)).not.toHaveProperty('l4');
    expect(strict({ ...DROP, drop_reason_desc: 'IPTABLE_RULE_DROP' })).toMatchObject({ drop_reason_desc: 'POLICY_DENIED' });
    expect(strict(DNS)).toMatchObject({
      Type: 'L7', event_type: { type: 129 }, Summary: 'DNS Answer a.test A NXDOMAIN',
      l7: { type: 'RESPONSE', latency_ns: '1500000', dns: { query: 'a.test.', rcode: 3, qtypes: ['A'] } },
    });
  }); // prettier-ignore

  it('are flat and short where compact', () => {
    expect(line(FLOW, { format: 'compact' })).toEqual({
      time: FLOW.time, verdict: 'FORWARDED', src: 'shop/web-1', src_workload: 'shop/Deployment/web', src_ip: '10.0.0.1', src_port: 40000,
      dst: 'shop/db', dst_ip: '10.96.0.10', dst_port: 80, dst_backend: 'shop/db-0:5432', proto: 'TCP', flags: 'SYN,ACK', dir: 'out',
      at: 'FROM_ENDPOINT', reply: false, packets: 2, bytes: 300, rtt_us: 250, node: 'node-1',
    });
    expect(line(DNS, { format: 'compact' })).toMatchObject({ dns: 'A a.test', rcode: 'NXDOMAIN' });
    const { IP: _, ...sum } = { ...DROP, aggregate: { ingress_flow_count: 3, egress_flow_count: 4 } };
    expect(line(sum, { format: 'compact' })).toMatchObject({ src: 'world', flows: 7, drop_reason: 'NO_SOCKET', proto: 'protocol-47' });
  }); // prettier-ignore

  it('have only the members that are asked for', () => {
    const fields = ['verdict', 'source.pod_name', 'source.workloads.name', 'l4', 'no.such', 'bytes.more'];
    expect(line(FLOW, { fields })).toEqual({
      flow: { verdict: 'FORWARDED', l4: FLOW.l4, source: { pod_name: 'web-1', workloads: [{ name: 'web' }] } },
      node_name: 'node-1',
      time: FLOW.time,
    });
    expect(line(FLOW, { fields: ['bytes', 'src'], format: 'compact' })).toEqual({ src: 'shop/web-1', bytes: 300 });
    expect(line(FLOW, { fields: ['__proto__.polluted', 'constructor'] })['flow']).toEqual({});
  });
});
