import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { family } from '@retina/testkit';
import { address } from './attribute-writer.ts';
import { ATTRIBUTES, END_ATTRIBUTES, KNOWN, namesOf } from './naming.ts';
import { resourceAttributes } from './resource.ts';

describe('names', () => {
  const named = (name: string, labels: string[], more = {}) => namesOf(family(name, labels, [], more), 'semantic');
  const P = 'networkobservability_';

  it('are the original ones unless asked otherwise', () => {
    const names = namesOf(family(`${P}forward_bytes`, ['direction'], [], { unit: 'bytes' }), 'retina');
    expect(names).toMatchObject({ name: `${P}forward_bytes`, unit: 'By', keys: ['direction'] });
  });

  it.each([
    ['forward_bytes', ['direction'], 'system.network.io', ['network.io.direction']],
    [
      'adv_forward_bytes',
      ['direction', 'namespace', 'podname'],
      'k8s.pod.network.io',
      ['network.io.direction', 'k8s.namespace.name', 'k8s.pod.name'],
    ],
    [
      'adv_forward_bytes',
      [
        'direction',
        'source_ip',
        'source_namespace',
        'source_workload_name',
        'destination_port',
        'destination_workload_kind',
      ],
      'obi.network.flow.bytes',
      [
        'network.io.direction',
        'src.address',
        'k8s.src.namespace',
        'k8s.src.owner.name',
        'dst.port',
        'k8s.dst.owner.type',
      ],
    ],
    ['adv_tcp_min_rtt_seconds', ['direction'], 'retina.pod.tcp_min_rtt', ['network.io.direction']],
    ['dns_return_codes_total', ['return_code'], 'retina.dns_return_codes', ['dns.response.code']],
    [
      'adv_drop_count',
      ['source_nobody_knows', 'constructor'],
      'retina.network.flow.dropped_packets',
      ['retina.source_nobody_knows', 'retina.constructor'],
    ],
  ])('%s %j is %s', (name, labels, wanted, keys) => {
    expect(named(P + name, labels)).toMatchObject({ name: wanted, keys });
  });

  it('leave out what the agent prefixes', () => {
    expect(named('retina_lost_records_total', ['stage']).name).toBe('retina.lost_records');
    expect(named(`controlplane_${P}parsed_packets_counter`, []).name).toBe('retina.parsed_packets_counter');
    expect(named('process_cpu_seconds_total', [], { unit: 'seconds' })).toMatchObject({
      name: 'process.cpu.time',
      unit: 's',
    });
  });

  it('are all in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const rows = readme.split('\n').filter((line) => line.startsWith('| `'));
    const row = (name: string) => rows.find((line) => line.split('|')[1]!.includes(`\`${name}\``)) ?? '';
    const has = (name: string, text: string) => expect(row(name), name).toContain(`\`${text}`);
    for (const [name, { own, flow }] of Object.entries(KNOWN)) {
      if (own) has(name, own[0]);
      if (flow) has(name, flow[0]);
    }
    for (const [label, attribute] of Object.entries(ATTRIBUTES)) has(label, attribute);
    for (const [label, of] of Object.entries(END_ATTRIBUTES)) {
      has(label, of('src'));
      has(label, of('dst'));
    }
  });

  it('translate values that conventions spell otherwise', () => {
    const [direction] = named(`${P}forward_bytes`, ['direction']).values;
    expect(['ingress', 'EGRESS', 'unknown', 'constructor'].map((v) => direction!(v))).toEqual([
      'receive',
      'transmit',
      'unknown',
      'constructor',
    ]);
  });
});

describe('resource attributes', () => {
  const facts = { nodeName: 'n1', clusterName: undefined, version: '1' };

  it('say the node only inside a cluster, and what is given wins', () => {
    expect(resourceAttributes(facts, {}, {})).not.toHaveProperty('k8s.node.name');
    const inside = resourceAttributes(
      facts,
      { 'service.name': 'mine' },
      { KUBERNETES_SERVICE_HOST: '10.0.0.1', POD_NAME: 'retina-x' },
    );
    expect(inside).toMatchObject({
      'k8s.node.name': 'n1',
      'k8s.pod.name': 'retina-x',
      'service.name': 'mine',
      'service.instance.id': 'n1',
    });
  });
});

describe('addresses', () => {
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
  it.each([
    ['00000000000000000000ffff0a000001', '10.0.0.1'],
    ['fd000000000000000000000000000001', 'fd00::1'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['20010db8000000000001000000000000', '2001:db8:0:0:1::'],
  ])('%s is %s', (hex, text) => expect(address(bytes(hex), 0)).toBe(text));
});
