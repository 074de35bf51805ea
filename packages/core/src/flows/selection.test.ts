import { type FlowBatch, type FlowValues, FlowWriter, Observation } from '@retina/sdk';
import { beforeEach, describe, expect, it } from 'vitest';
import { A, B, batchOf, detailedBatchOf, OUTSIDE } from '../../test/flows.ts';
import { parseAddress } from '../identity/address.ts';
import { EndpointTable } from '../identity/table.ts';
import { FlowHistory } from './history.ts';
import { FlowPipeline } from './pipeline.ts';

const HOST = parseAddress('192.0.2.7')!;
const C = parseAddress('10.0.0.3')!;
const uplink = (observation: number) => ({ ifindex: 2, observation });

let table: EndpointTable;
let pipeline: FlowPipeline;
let history: FlowHistory;
let flows: ReturnType<FlowPipeline['source']>;
let cluster: ReturnType<EndpointTable['provider']>;
/** Records a sink saw: both ends, as addresses' last bytes. */
let seen: string[];

const pod = (n: number, observed: boolean) =>
  cluster.put({
    key: `p${n}`, kind: 'pod', namespace: 'shop', name: `p${n}`, addresses: [`10.0.0.${n}`], interfaces: [9 + n], netns: [41 + n],
    ...(observed && { observed }),
  }); // prettier-ignore

beforeEach(() => {
  table = new EndpointTable();
  cluster = table.provider(8);
  table.provider(0).put({ key: 'host', kind: 'host', name: 'node-1', addresses: ['192.0.2.7'], host: true });
  pod(1, false); // at A, interface 10
  pod(2, false); // at B, interface 11
  pod(3, true); // at C, interface 12
  history = new FlowHistory(100);
  pipeline = new FlowPipeline({ endpoints: table, history });
  pipeline.selection.on = true;
  flows = pipeline.source('p');
  seen = [];
  pipeline.addSink('sink', (batch) => {
    for (let row = 0; row < batch.length; row++)
      seen.push(`${batch.sourceAddress(row)[15]}>${batch.destinationAddress(row)[15]}`);
  });
});

/** What became of each record: `aside`, or what the sink saw. */
function emit(...records: Partial<FlowValues>[]): string[] {
  const batch = batchOf(...records);
  const before = seen.length;
  flows.emit(batch);
  const kept = seen.slice(before);
  return Array.from({ length: batch.length }, (_, row) => (batch.aside(row) ? 'aside' : kept.shift()!));
}

describe('where pods are selected', () => {
  it('records of others end in the pipeline, each counted; those with a chosen end go on', () => {
    const records = [
      { packets: 3 },
      { destinationAddress: C },
      { sourceAddress: C, ifindex: 12 },
      { destinationAddress: OUTSIDE, packets: 4 },
      { sourceAddress: OUTSIDE, destinationAddress: C, observation: Observation.TO_ENDPOINT, ifindex: 12 },
      { sourceAddress: OUTSIDE, destinationAddress: B, observation: Observation.TO_ENDPOINT, ifindex: 11 },
    ];
    expect(emit(...records)).toEqual(['aside', '1>3', '3>2', 'aside', '9>3', 'aside']);
    expect([seen.length, history.length, pipeline.records]).toEqual([3, 3, 6]);
    expect(pipeline.asides()).toEqual([{ source: 'p', records: 3, packets: 8 }]);
    expect(emit({})).toEqual(['aside']);
    expect(pipeline.asides()).toEqual([{ source: 'p', records: 4, packets: 9 }]);
    expect([pipeline.records, history.length + pipeline.asides()[0]!.records]).toEqual([7, 7]);
  });

  it('what is no pod’s goes on: the node’s own, and what the kernel dropped for nobody', () => {
    const own = { sourceAddress: HOST, destinationAddress: OUTSIDE, destinationPort: 443 };
    const event = { observation: Observation.HOST, ifindex: 0 };
    expect(emit({ ...own, ...uplink(Observation.TO_NETWORK) })).toEqual(['7>9']);
    expect(emit({ ...event, sourceAddress: OUTSIDE, destinationAddress: OUTSIDE })).toEqual(['9>9']);
    expect(emit({ ...event, destinationAddress: OUTSIDE })).toEqual(['aside']);
    expect(emit({ ...event, sourceAddress: OUTSIDE, destinationAddress: OUTSIDE, netns: 43 })).toEqual(['aside']);
    expect(emit({ ...event, sourceAddress: OUTSIDE, destinationAddress: OUTSIDE, netns: 44 })).toEqual(['9>9']);
    // the node talks to a pod that nobody chose: that is the pod's matter
    expect(emit({ sourceAddress: HOST, destinationAddress: B, observation: Observation.TO_ENDPOINT, ifindex: 11 })).toEqual(['aside']); // prettier-ignore
  });

  it('a pod behind the host’s address is itself at the uplink', () => {
    const out = { sourcePort: 40_000, destinationPort: 443, destinationAddress: OUTSIDE, fresh: 1 };
    const there = (flowId: number) => ({ ...out, sourceAddress: HOST, ...uplink(Observation.TO_NETWORK), flowId });
    expect(emit({ ...out, flowId: 3 }, there(4))).toEqual(['aside', 'aside']);
    const other = { ...out, sourcePort: 50_000 };
    expect(emit({ ...other, sourceAddress: C, ifindex: 12, flowId: 5 }, { ...there(6), sourcePort: 50_000 })).toEqual(['3>9', '7>9']); // prettier-ignore
  });

  it('is found out once for a flow, and again when the choice changes', () => {
    const turn = () => emit({ flowId: 7 })[0];
    expect([emit({ flowId: 7, fresh: 1 })[0], turn()]).toEqual(['aside', 'aside']);
    pod(2, true);
    expect([turn(), turn()]).toEqual(['1>2', '1>2']);
    pod(2, false);
    expect(turn()).toBe('aside');
    pipeline.selection.on = false;
    expect([turn(), flows.selecting]).toEqual(['1>2', false]);
    pipeline.selection.on = true;
    expect(turn()).toBe('aside');
  });

  it('what hangs off a record stays with it', () => {
    const details = [{ reason: 'first' }, { reason: 'second' }, undefined, { reason: 'fourth' }];
    const plain = detailedBatchOf(...details);
    const stored = new FlowWriter(3);
    const store = { details: (place: number) => ({ reason: `place ${place}` }) };
    const values = { sourceAddress: C, observation: Observation.FROM_ENDPOINT, ifindex: 12 };
    stored.addStored(values, store, 5);
    stored.addStored({ ...values, sourceAddress: A, ifindex: 10 }, store, 6);
    stored.addStored(values, store, 7);
    const reasons: (string | undefined)[] = [];
    pipeline.addSink('reasons', (batch) => {
      for (let row = 0; row < batch.length; row++) reasons.push(batch.details(row)?.reason);
    });
    for (const row of [1, 3]) plain.destinationAddress(row).set(C);
    for (const batch of [plain, stored.batch()]) flows.emit(batch);
    expect(reasons).toEqual(['second', 'fourth', 'place 5', 'place 7']);
    expect(history.last(9, () => true, (batch, row) => batch.details(row)?.reason)).toEqual(reasons); // prettier-ignore
  });
});

it('where no choice is made nothing is marked, whatever was before', () => {
  const batch: FlowBatch = batchOf({});
  flows.emit(batch);
  expect(batch.aside(0)).toBe(true);
  pipeline.selection.on = false;
  flows.resolve(batch);
  expect([batch.aside(0), pipeline.asides()]).toEqual([false, [{ source: 'p', records: 1, packets: 1 }]]);
});
