import { Direction, type FlowBatch, type FlowValues, Observation, Reply } from '@retina/sdk';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { A, batchOf, OUTSIDE, pods } from '../../test/flows.ts';
import { parseAddress } from '../identity/address.ts';
import type { EndpointTable } from '../identity/table.ts';
import { FlowHistory } from './history.ts';
import { FlowPipeline } from './pipeline.ts';

let table: EndpointTable;
beforeEach(() => {
  table = pods();
});

describe('FlowPipeline', () => {
  it('resolves endpoints in place: interface first, address second', () => {
    const flows = new FlowPipeline({ endpoints: table }).source('p');
    const [web, dns] = [table.byInterface(10), table.byInterface(11)];
    const batch = batchOf(
      {},
      { sourceAddress: OUTSIDE },
      { observation: Observation.TO_ENDPOINT, ifindex: 11, destinationAddress: OUTSIDE },
      { observation: Observation.TO_NETWORK, ifindex: 10 },
      {
        observation: Observation.HOST,
        ifindex: 10,
        netns: 42,
        sourceAddress: OUTSIDE,
        destinationAddress: OUTSIDE,
        direction: Direction.INGRESS,
      },
    );
    flows.emit(batch);
    const ids = [0, 1, 2, 3, 4].map((r) => [
      batch.sourceEndpoint(r),
      batch.destinationEndpoint(r),
      batch.tapEndpoint(r),
    ]);
    expect(ids).toEqual([[web, dns, web], [web, dns, web], [web, dns, dns], [web, dns, 0], [0, web, web]]); // prettier-ignore
  });

  it('takes an address of a drop for that of the namespace it happened in, if others have it as well', () => {
    const far = { kind: 'pod', namespace: 'netns', addresses: ['10.0.0.1', '10.0.0.2'] } as const;
    table.provider(0).put({ ...far, key: 'far', name: 'far', netns: [77] });
    table.provider(0).put({ ...far, key: 'farther', name: 'farther', netns: [78] });
    const batch = batchOf(
      { observation: Observation.HOST, netns: 77, destinationAddress: OUTSIDE, direction: Direction.EGRESS },
      { observation: Observation.HOST, netns: 78, sourceAddress: OUTSIDE, direction: Direction.INGRESS },
    );
    new FlowPipeline({ endpoints: table }).source('p').emit(batch);
    expect([batch.sourceEndpoint(0), batch.destinationEndpoint(1)]).toEqual([table.byNetns(77), table.byNetns(78)]);
  });

  it('learns sources where the provider asked for it, and knows them as destinations then', () => {
    const flows = new FlowPipeline({ endpoints: table }).source('p');
    flows.emit(batchOf({ sourceAddress: OUTSIDE, ifindex: 11 }));
    const batch = batchOf({ destinationAddress: OUTSIDE });
    flows.emit(batch);
    expect(table.byId(batch.destinationEndpoint(0)).name).toBe('dns');
  });

  it('remembers by flow id until the slot is fresh or identity changes, per source', () => {
    const pipeline = new FlowPipeline({ endpoints: table });
    const [one, two] = [pipeline.source('one'), pipeline.source('two')];
    const find = vi.spyOn(table, 'find');
    const destination = (batch: FlowBatch, flows = one) => {
      flows.emit(batch);
      return table.byId(batch.destinationEndpoint(0)).name;
    };
    expect(destination(batchOf({ flowId: 7, fresh: 1 }))).toBe('dns');
    find.mockClear();
    expect(destination(batchOf({ flowId: 7 }))).toBe('dns');
    expect(find).not.toHaveBeenCalled();
    expect(destination(batchOf({ flowId: 7, destinationAddress: A }), two)).toBe('web-1');
    expect(destination(batchOf({ flowId: 7, fresh: 1, destinationAddress: A }))).toBe('web-1');
    table.provider(10).put({ key: 'f', kind: 'pod', namespace: 'x', name: 'named', addresses: ['10.0.0.1'] });
    expect(destination(batchOf({ flowId: 7, destinationAddress: A }))).toBe('named');
  });

  describe('at an uplink where the host translates addresses', () => {
    const HOST = parseAddress('192.0.2.7')!;
    const uplink = (observation: number) => ({ ifindex: 2, observation });
    let flows: ReturnType<FlowPipeline['source']>;
    beforeEach(() => {
      table.provider(0).put({ key: 'host', kind: 'host', name: 'node-1', addresses: ['192.0.2.7'], host: true });
      flows = new FlowPipeline({ endpoints: table }).source('p');
    });
    /** Names of both ends of the last record. */
    const ends = (...records: Partial<FlowValues>[]) => {
      const batch = batchOf(...records);
      flows.emit(batch);
      const row = batch.length - 1;
      return [batch.sourceEndpoint(row), batch.destinationEndpoint(row)].map((id) => table.byId(id).name);
    };
    const out = { sourcePort: 40_000, destinationPort: 443, destinationAddress: OUTSIDE, fresh: 1 };
    const back = { sourcePort: 443, destinationPort: 40_000, sourceAddress: OUTSIDE, fresh: 1, isReply: Reply.YES };
    const masqueraded = { ...out, sourceAddress: HOST, ...uplink(Observation.TO_NETWORK), flowId: 7 };

    it('knows a pod’s flow behind the host’s address, both ways, and whatever comes first in a batch', () => {
      const again = { ...masqueraded, fresh: 0 };
      expect(ends(masqueraded, { ...out, flowId: 6 }, again)).toEqual(['web-1', '']);
      expect(ends(masqueraded)).toEqual(['web-1', '']);
      expect(ends({ ...back, destinationAddress: HOST, ...uplink(Observation.FROM_NETWORK), flowId: 8 })).toEqual([
        '',
        'web-1',
      ]);
    });

    it('looks again when the pod’s own record comes after', () => {
      expect(ends(masqueraded)).toEqual(['node-1', '']);
      ends({ ...out, flowId: 6 });
      expect(ends({ ...masqueraded, fresh: 0 })).toEqual(['web-1', '']);
    });

    it('knows a published port by who called', () => {
      const call = { sourceAddress: OUTSIDE, sourcePort: 51_000, fresh: 1 };
      const toPod = {
        ...call,
        destinationAddress: A,
        destinationPort: 80,
        observation: Observation.TO_ENDPOINT,
        flowId: 4,
      };
      expect(
        ends(toPod, {
          ...call,
          destinationAddress: HOST,
          destinationPort: 8080,
          ...uplink(Observation.FROM_NETWORK),
          flowId: 5,
        }),
      ).toEqual(['', 'web-1']);
    });

    it('takes nothing from the host where pods are routed with their own address, though ports are the same', () => {
      const routed = { ...out, ...uplink(Observation.TO_NETWORK), flowId: 3 };
      expect(ends({ ...out, flowId: 6 }, masqueraded)).toEqual(['web-1', '']);
      expect(ends(routed)).toEqual(['web-1', '']);
      expect(ends({ ...masqueraded, fresh: 0 })).toEqual(['node-1', '']);
      expect(ends({ ...out, flowId: 6 }, masqueraded)).toEqual(['node-1', '']);
    });

    it('leaves the host what is its own', () => {
      ends({ ...out, flowId: 6 });
      expect(ends({ ...masqueraded, sourcePort: 40_001 })).toEqual(['node-1', '']);
      expect(ends({ ...masqueraded, destinationPort: 80 })).toEqual(['node-1', '']);
      expect(
        ends({
          ...back,
          sourcePort: 40_000,
          destinationPort: 22,
          isReply: Reply.NO,
          destinationAddress: HOST,
          ...uplink(Observation.FROM_NETWORK),
          flowId: 9,
        }),
      ).toEqual(['', 'node-1']);
      ends({ destinationAddress: HOST, destinationPort: 443, flowId: 11, fresh: 1 }); // a pod calls the host itself
      expect(ends({ ...masqueraded, destinationAddress: parseAddress('2001:db8::10')! })).toEqual(['node-1', '']);
    });
  });

  it('keeps one failing sink from the others, and counts it', () => {
    const history = new FlowHistory(10);
    const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const pipeline = new FlowPipeline({ endpoints: table, history, log });
    const seen: string[] = [];
    pipeline.addSink('bad', () => {
      throw new Error('no');
    });
    using _good = pipeline.addSink('good', (batch, source) => seen.push(`${source}:${batch.length}`));
    const flows = pipeline.source('p');
    flows.emit(batchOf({}, {}));
    flows.emit(batchOf({}));
    expect(seen).toEqual(['p:2', 'p:1']);
    expect(log.error).toHaveBeenCalledTimes(1);
    expect(pipeline.stats()).toMatchObject([{ name: 'bad', records: 3, failedBatches: 2, failedRecords: 3 }, { name: 'good', records: 3, failedRecords: 0 }]); // prettier-ignore
    expect([history.length, pipeline.records]).toEqual([3, 3]);
  });
});
