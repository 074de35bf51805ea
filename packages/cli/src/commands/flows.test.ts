import { describe, expect, it } from 'vitest';
import { FlowWriter, Observation, Verdict, type Endpoint } from '@retina/sdk';
import { flowJson, type FlowJson, parseAddress } from '@retina/core';
import { StreamTable } from '../stream-table.ts';
import { FLOW_COLUMNS, endText } from './flows.ts';
import { columnsFor } from '../output.ts';

const endpoint = (id: number, namespace: string, name: string): Endpoint => ({
  id, kind: name ? 'pod' : 'unknown', namespace, name, workloads: [], labels: {}, service: '', zone: '', node: '', addresses: [],
}); // prettier-ignore
const endpoints = [endpoint(0, '', ''), endpoint(1, 'demo', 'client'), endpoint(2, '', 'eth0\u001b[2J')];
const names = { endpoint: (id: number) => endpoints[id]!, label: () => 'IPTABLE_RULE_DROP' };

const writer = new FlowWriter();
const ends = { sourceAddress: parseAddress('10.0.0.1')!, destinationAddress: parseAddress('2001:db8::2')! };
const when = {
  start: 1e12,
  end: 1e12,
  firstSeen: 1e12,
  family: 6,
  packets: 3,
  bytes: 1536,
  observation: Observation.FROM_ENDPOINT,
};
writer.add({ ...ends, ...when, protocol: 6, sourcePort: 40000, destinationPort: 80, tcpFlags: 0b11, sourceEndpoint: 1, verdict: Verdict.FORWARDED }); // prettier-ignore
writer.add({
  ...ends,
  ...when,
  protocol: 17,
  sourcePort: 9,
  destinationPort: 53,
  sourceEndpoint: 2,
  verdict: Verdict.DROPPED,
});
writer.add({ ...ends, ...when, protocol: 58, icmpType: 128, verdict: Verdict.FORWARDED });
const records = [0, 1, 2].map((row) => flowJson(writer.batch(), row, names));

describe('retina flows', () => {
  it('names ends by pod, by name, and by address in brackets', () => {
    expect(endText(records[0]!, 'source')).toBe('demo/client:40000');
    expect(endText(records[0]!, 'destination')).toBe('[2001:db8::2]:80');
    expect(endText(records[2]!, 'destination')).toBe('2001:db8::2');
  });

  it('prints one line per record that fits 80 columns, drops with their reason, hostile names made harmless', () => {
    const stream = new StreamTable(columnsFor(FLOW_COLUMNS, 'table'), 80);
    const lines = records.flatMap((record) => stream.lines(record));
    expect(lines).toHaveLength(4);
    for (const line of lines) {
      expect(line.length).toBeLessThanOrEqual(80);
      expect(line).not.toContain('\u001b');
    }
    expect(lines[0]).toMatch(/^TIME +SOURCE +DESTINATION +PROTO +BYTES +VERDICT$/);
    expect(lines[1]).toContain('demo/client:40000  [2001:');
    expect(lines[2]).toContain('DROPPED IPT');
  });

  it('says where a translated flow goes, and that a record is a sample', () => {
    const text = (more: Partial<FlowJson>) => FLOW_COLUMNS.at(-1)!.value({ ...records[0]!, ...more });
    const destination = { address: 'fd00::9', port: 8080, kind: 'unknown' };
    expect(text({ translated_to: { destination } })).toBe('FORWARDED to [fd00::9]:8080');
    const pod = { ...destination, namespace: 'shop', pod_name: 'web-1' };
    expect(text({ translated_to: { destination: pod } })).toBe('FORWARDED to shop/web-1:8080');
    expect(text({ packet: '4500'.padEnd(56, '0') })).toBe('FORWARDED sample of 28 bytes');
  });

  it('cuts nothing where the width is not limited', () => {
    const stream = new StreamTable(columnsFor(FLOW_COLUMNS, 'wide'), 0);
    expect(stream.lines(records[0]!)[1]).toContain('FIN,SYN');
    expect(stream.lines(records[1]!)[0]).toContain('IPTABLE_RULE_DROP');
    expect(stream.lines(records[2]!)[0]).toContain('type 128 code 0');
  });

  it('says in few words what hangs off a record, and names an end by what DNS called it', () => {
    const answer = { id: 1, response: true, query: 'a.test', queryType: 'A', responseCode: 'NOERROR', addresses: ['192.0.2.1'], latencyMs: 1.25 }; // prettier-ignore
    const refused = { id: 2, response: true, query: 'b.test', queryType: 'AAAA', responseCode: 'NXDOMAIN' };
    const details = new FlowWriter();
    const ports = { protocol: 17, sourcePort: 40000, destinationPort: 53 };
    details.add({ ...ends, ...ports }, { dns: { id: 1, response: false, query: 'a.test\u001b[2J', queryType: 'A' } });
    details.add({ ...ends, ...ports }, { dns: answer });
    details.add({ ...ends, ...ports }, { dns: refused });
    details.add({ ...ends, ...ports, verdict: Verdict.DROPPED }, { policies: [{ kind: 'nftables', name: 'chain x' }] });
    const hints = { ...names, addressNames: () => ['peer.test'] };
    const stream = new StreamTable(columnsFor(FLOW_COLUMNS, 'wide'), 0);
    const lines = [0, 1, 2, 3].flatMap((row) => stream.lines(flowJson(details.batch(), row, hints)));
    expect(lines[1]).toMatch(/peer\.test:53 .* A\? a\.test[^\u001b]*$/);
    expect(lines[2]).toMatch(/ {2}A a\.test 192\.0\.2\.1 1\.3 ms$/);
    expect(lines[3]).toMatch(/AAAA b\.test NXDOMAIN$/);
    expect(lines[4]).toMatch(/DROPPED IPTABLE_RULE_DROP chain x$/);
  });
});
