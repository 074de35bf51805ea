import { type FlowValues, Observation, type Translation } from '@retina/sdk';
import { beforeEach, describe, expect, it } from 'vitest';
import { A, batchOf, B, OUTSIDE, pods, T } from '../../test/flows.ts';
import { parseAddress } from '../identity/address.ts';
import type { EndpointTable } from '../identity/table.ts';
import { IdentityStage } from './identity-stage.ts';
import { TranslationTable } from './nat.ts';

const HOST = parseAddress('192.168.0.2')!;
const SERVICE = parseAddress('10.96.0.10')!;

describe('identity of translated flows', () => {
  let table: EndpointTable;
  let nat: TranslationTable;
  let stage: IdentityStage;

  beforeEach(() => {
    table = pods();
    table.provider(0).put({ key: 'host', kind: 'host', name: 'node-1', host: true, addresses: ['192.168.0.2'] });
    nat = new TranslationTable();
    stage = new IdentityStage(table, Date.now, nat);
  });

  /** Names of both ends of the first record. */
  function ends(record: Partial<FlowValues>): [source: string, destination: string] {
    const batch = batchOf(record);
    stage.resolve(batch);
    return [table.byId(batch.sourceEndpoint(0)).name, table.byId(batch.destinationEndpoint(0)).name];
  }

  const masqueraded: Translation = {
    protocol: 17,
    source: A, sourcePort: 40_000, destination: OUTSIDE, destinationPort: 53,
    newSource: HOST, newSourcePort: 61_234, newDestination: OUTSIDE, newDestinationPort: 53,
  }; // prettier-ignore
  const atUplink = {
    sourceAddress: HOST, sourcePort: 61_234, destinationAddress: OUTSIDE, ifindex: 2, observation: Observation.TO_NETWORK, flowId: 7,
  }; // prettier-ignore

  it('is the pod’s at the uplink, whatever port the translation chose', () => {
    nat.begin(masqueraded);
    expect(ends({ ...atUplink, fresh: 1 })).toEqual(['web-1', '']);
  });

  it('is asked for again while word may be on its way, and then remembered', () => {
    nat.endOlder(0); // somebody follows
    expect(ends({ ...atUplink, fresh: 1 })).toEqual(['node-1', '']);
    nat.begin(masqueraded);
    expect(ends(atUplink)).toEqual(['web-1', '']);
    // a connection that is older is remembered, until its slot has a new owner
    const old = { ...atUplink, end: T + 60_000 };
    expect(ends(old)).toEqual(['web-1', '']);
    nat.endOlder(Infinity);
    expect(ends(old)).toEqual(['web-1', '']);
    expect(ends({ ...atUplink, sourcePort: 5, fresh: 1 })).toEqual(['node-1', '']);
    expect(ends({ ...atUplink, sourcePort: 5 })).toEqual(['node-1', '']);
  });

  it('is the backend’s where nobody knows the service’s address', () => {
    nat.begin({
      protocol: 17,
      source: A, sourcePort: 40_000, destination: SERVICE, destinationPort: 53,
      newSource: A, newSourcePort: 40_000, newDestination: B, newDestinationPort: 5353,
    }); // prettier-ignore
    expect(ends({ destinationAddress: SERVICE, flowId: 3, fresh: 1 })).toEqual(['web-1', 'dns']);
    const answer = {
      sourceAddress: SERVICE, sourcePort: 53, destinationAddress: A, destinationPort: 40_000,
      observation: Observation.TO_ENDPOINT, flowId: 4, fresh: 1,
    }; // prettier-ignore
    expect(ends(answer)).toEqual(['dns', 'web-1']);
    table.provider(10).put({ key: 'service', kind: 'service', name: 'kube-dns', addresses: ['10.96.0.10'] });
    expect(ends({ destinationAddress: SERVICE, flowId: 3 })).toEqual(['web-1', 'kube-dns']);
  });
});
