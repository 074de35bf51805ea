import { FlowEvent, type FlowValues, Observation, Reply } from '@retina/sdk';
import { beforeEach, describe, expect, it } from 'vitest';
import { A, B, batchOf, OUTSIDE, T, pods } from '../../test/flows.ts';
import type { EndpointTable } from '../identity/table.ts';
import { FlowPipeline } from './pipeline.ts';
import { FlowTop } from './top.ts';

let table: EndpointTable;
beforeEach(() => {
  table = pods();
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

  it('leaves out records that only carry details, but not ends whose packets were told before', () => {
    emit({ packets: 0, bytes: 0 });
    expect([top.talkers(9), top.connections(9)]).toEqual([[], []]);
    emit({}, { packets: 0, bytes: 0, event: FlowEvent.END });
    now += 6_000;
    expect(top.connections(9)).toEqual([]);
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
