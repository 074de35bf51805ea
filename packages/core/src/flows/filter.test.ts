import { Direction, Observation, Verdict } from '@retina/sdk';
import { beforeEach, describe, expect, it } from 'vitest';
import { batchOf, detailedBatchOf, names, OUTSIDE, T, pods } from '../../test/flows.ts';
import type { EndpointTable } from '../identity/table.ts';
import { flowFilter } from './filter.ts';
import { FlowPipeline } from './pipeline.ts';

let table: EndpointTable;
beforeEach(() => {
  table = pods();
});

describe('flowFilter', () => {
  const records = () => {
    const flows = new FlowPipeline({ endpoints: table }).source('p');
    const batch = batchOf(
      {},
      {
        sourceAddress: OUTSIDE,
        destinationAddress: OUTSIDE,
        family: 6,
        protocol: 58,
        sourcePort: 0,
        destinationPort: 0,
        observation: Observation.TO_NETWORK,
        ifindex: 2,
      },
      {
        verdict: Verdict.DROPPED,
        dropReason: 2,
        protocol: 6,
        destinationPort: 443,
        direction: Direction.INGRESS,
        end: T + 60_000,
        start: T + 60_000,
      },
    );
    flows.emit(batch);
    return batch;
  };

  it.each([
    ['', '0,1,2'],
    ['pod=web', '0,2'],
    ['pod=shop/web-1', '0,2'],
    ['pod=shop/', '0,2'],
    ['pod=default/web', ''],
    ['source-pod=dns', ''],
    ['destination-pod=dns', '0,2'],
    ['namespace=kube-system,other', '0,2'],
    ['ip=10.0.0.0/24', '0,2'],
    ['ip=2001:db8::/32', '1'],
    ['source-ip=10.0.0.2', ''],
    ['destination-ip=10.0.0.2', '0,2'],
    ['port=53', '0'],
    ['port=53&port=443', '0,2'],
    ['source-port=443', ''],
    ['destination-port=443', '2'],
    ['protocol=icmp', '1'],
    ['protocol=TCP', '2'],
    ['protocol=17', '0'],
    ['verdict=dropped', '2'],
    ['direction=egress', '0,1'],
    ['drop-reason=no_socket', '2'],
    ['interface=veth10', '0,2'],
    ['interface=2', '1'],
    ['since=2026-01-31T12:00:30Z', '2'],
    ['until=2026-01-31T12:00:30Z', '0,1'],
    ['since=90s', '2'],
    ['pod=web&verdict=forwarded', '0'],
    ['follow=1', '0,1,2'],
  ])('%s passes rows %s', (query, rows) => {
    const filter = flowFilter(new URLSearchParams(query), names(table), T + 120_000);
    const batch = records();
    expect([0, 1, 2].filter((row) => filter(batch, row)).join()).toBe(rows);
  });

  it.each([
    ['type=l7', '0'],
    ['type=policy-verdict,l7', '0,1'],
    ['type=trace', '1,2'],
    ['protocol=dns', '0'],
    ['protocol=dns,udp', '0,1,2'],
    ['protocol=tcp', ''],
    ['fqdn=www.*.test', '0'],
    ['fqdn=*.TEST.', '0'],
    ['fqdn=www.test', ''],
    ['fqdn=w*w*.test', '0'],
    ['fqdn=peer*', '0,1,2'],
  ])('by what hangs off a record: %s passes rows %s', (query, rows) => {
    const dns = { id: 1, response: false, query: 'www.Example.test', queryType: 'A' };
    const batch = detailedBatchOf({ dns }, { policies: [{ kind: 'nftables', name: 'x' }] }, undefined);
    const known = { ...names(table), addressNames: () => ['peer.local'] };
    const filter = flowFilter(new URLSearchParams(query), known, T);
    expect([0, 1, 2].filter((row) => filter(batch, row)).join()).toBe(rows);
  });

  it.each([
    'type=x',
    'fqdn=',
    'port=x',
    'port=70000',
    'ip=10.0.0.0/33',
    'protocol=foo',
    'verdict=maybe',
    'since=yesterday',
    'pod=',
  ])('refuses %s', (query) => {
    expect(() => flowFilter(new URLSearchParams(query), names(table))).toThrow(
      expect.objectContaining({ code: 'RETINA_REQUEST_INVALID' }),
    );
  });
});
