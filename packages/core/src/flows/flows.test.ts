import {
  Direction,
  FlowEvent,
  type FlowBatch,
  type FlowValues,
  FlowWriter,
  Observation,
  Reply,
  Verdict,
} from '@retina/sdk';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { parseAddress } from '../identity/address.ts';
import { EndpointTable } from '../identity/table.ts';
import { flowFilter } from './filter.ts';
import { FlowHistory } from './history.ts';
import { flowJson, type FlowNames } from './json.ts';
import { FlowPipeline } from './pipeline.ts';
import { FlowTop } from './top.ts';

const A = parseAddress('10.0.0.1')!;
const B = parseAddress('10.0.0.2')!;
const OUTSIDE = parseAddress('2001:db8::9')!;
const T = Date.parse('2026-01-31T12:00:00Z');

let table: EndpointTable;
beforeEach(() => {
  table = new EndpointTable();
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
});

const names = (): FlowNames => ({
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

function batchOf(...records: Partial<FlowValues>[]): FlowBatch {
  const writer = new FlowWriter(Math.max(1, records.length));
  for (const record of records) writer.add({ ...BASE, ...record });
  return writer.batch();
}

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
      expect(ends(masqueraded, { ...out, flowId: 6 })).toEqual(['web-1', '']);
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

describe('FlowHistory', () => {
  it('keeps the last records, in order, over any batches', () => {
    const history = new FlowHistory(7);
    let n = 0;
    for (const size of [3, 3, 5, 1, 20, 2])
      history.append(batchOf(...Array.from({ length: size }, () => ({ sourcePort: n++ }))));
    expect(history.appended).toBe(34);
    const ports = [...history.rows()].map(({ batch, row, sequence }) => [batch.sourcePort(row), sequence]);
    expect(ports).toEqual([27, 28, 29, 30, 31, 32, 33].map((p) => [p, p]));
    expect([...history.rows(32)]).toHaveLength(2);
    const even = history.last(2, (b, r) => b.sourcePort(r) % 2 === 0, (b, r) => b.sourcePort(r)); // prettier-ignore
    expect(even).toEqual([30, 32]);
  });

  it('keeps nothing when it has no room', () => {
    const history = new FlowHistory(0);
    history.append(batchOf({}, {}));
    expect([history.appended, history.length, [...history.rows()].length]).toEqual([2, 0, 0]);
  });
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
    const filter = flowFilter(new URLSearchParams(query), names(), T + 120_000);
    const batch = records();
    expect([0, 1, 2].filter((row) => filter(batch, row)).join()).toBe(rows);
  });

  it.each(['port=x', 'port=70000', 'ip=10.0.0.0/33', 'protocol=foo', 'verdict=maybe', 'since=yesterday', 'pod='])(
    'refuses %s',
    (query) => {
      expect(() => flowFilter(new URLSearchParams(query), names())).toThrow(
        expect.objectContaining({ code: 'RETINA_REQUEST_INVALID' }),
      );
    },
  );
});

describe('flowJson', () => {
  it('has the shape of Hubble’s flow, with counters', () => {
    const batch = batchOf({
      verdict: Verdict.DROPPED, dropReason: 2, dropLocation: 3, protocol: 6, destinationPort: 80, tcpFlags: 0b10_0000_0001,
      flagCounts: [1, 0, 0, 0, 0, 0, 0, 0, 0, 2], isReply: Reply.YES, event: FlowEvent.END, rttMicros: 1_500, retransmits: 2, netns: 42,
    }); // prettier-ignore
    new FlowPipeline({ endpoints: table }).source('p').emit(batch);
    expect(flowJson(batch, 0, names())).toEqual({
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
    const json = flowJson(batch, 0, names());
    expect(json).toMatchObject({ l4: { 'protocol-47': {} }, source: { kind: 'unknown' }, IP: { ipVersion: 'IPv6' } });
    for (const key of ['is_reply', 'interface', 'netns', 'drop_reason_desc', 'sampling'])
      expect(json).not.toHaveProperty(key);
  });
});

describe('FlowTop', () => {
  let now: number;
  let top: FlowTop;
  let emit: (...records: Partial<FlowValues>[]) => void;
  beforeEach(() => {
    now = T;
    top = new FlowTop(table, () => now);
    const pipeline = new FlowPipeline({ endpoints: table });
    pipeline.addSink('top', (batch, source) => top.observe(batch, source));
    const flows = pipeline.source('p');
    emit = (...records) => flows.emit(batchOf(...records));
  });
  const reply = {
    sourceAddress: B,
    destinationAddress: A,
    sourcePort: 53,
    destinationPort: 40_000,
    isReply: Reply.YES,
  };
  const at = (ifindex: number, observation: number) => ({ ifindex, observation });

  it('counts a packet between two taps once, and puts both ways of a connection together', () => {
    emit(
      {},
      at(11, Observation.TO_ENDPOINT),
      { ...reply, ...at(11, Observation.FROM_ENDPOINT), bytes: 300 },
      { ...reply, ...at(10, Observation.TO_ENDPOINT), bytes: 300 },
    );
    const [web, dns] = [table.byInterface(10), table.byInterface(11)];
    expect(top.talkers(10).map((t) => [t.source.endpoint, t.destination.endpoint, t.bytes, t.packets])).toEqual([[dns, web, 300, 1], [web, dns, 100, 1]]); // prettier-ignore
    expect(top.connections(10)).toEqual([
      expect.objectContaining({
        source: { endpoint: web, address: '10.0.0.1' }, destination: { endpoint: dns, address: '10.0.0.2' },
        sourcePort: 40_000, destinationPort: 53, protocol: 17, bytes: 100, packets: 1, replyBytes: 300, replyPackets: 1, firstSeen: T,
      }),
    ]); // prettier-ignore
  });

  it('forgets talkers after its window, and connections after their end', () => {
    emit({ bytes: 1_000 }, { destinationAddress: OUTSIDE, destinationPort: 1, event: FlowEvent.END });
    now += 3_000;
    emit({ bytes: 10 });
    expect(top.talkers(1)[0]!.bytes).toBe(1_010);
    now += 3_000;
    expect(top.talkers(9).map((t) => t.bytes)).toEqual([10]);
    expect(top.connections(9)).toHaveLength(1);
    now += 600_000;
    expect([top.talkers(9), top.connections(9)]).toEqual([[], []]);
  });

  it('remembers by flow id, and does not believe it when the place was freed', () => {
    emit({ flowId: 5, fresh: 1 });
    emit({ flowId: 5 });
    expect(top.talkers(9).map((t) => t.packets)).toEqual([2]);
    now += 600_000;
    expect(top.talkers(9)).toEqual([]);
    emit({ flowId: 6, destinationAddress: OUTSIDE, fresh: 1, bytes: 7 }, { flowId: 5 });
    expect(top.talkers(9).map((t) => t.bytes)).toEqual([100, 7]);
    expect(top.connections(9).map((c) => c.bytes)).toEqual([100, 7]);
  });
});
