import { FlowWriter } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { batchOf, detailedBatchOf } from '../../test/flows.ts';
import { FlowHistory } from './history.ts';

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

  it('keeps what hangs off a record exactly as long as the record', () => {
    const history = new FlowHistory(4);
    const held = () => [...history.rows()].map(({ batch, row }) => batch.details(row)?.reason);
    history.append(batchOf({}, {}));
    history.append(detailedBatchOf(undefined, { reason: 'a' }, { reason: 'b' })); // wraps
    expect(held()).toEqual([undefined, undefined, 'a', 'b']);
    history.append(batchOf({}, {}));
    expect(held()).toEqual(['a', 'b', undefined, undefined]);
    history.append(detailedBatchOf({ reason: 'c' }));
    expect(held()).toEqual(['b', undefined, undefined, 'c']);
    history.append(batchOf({}, {}, {}, {}, {}));
    expect(held()).toEqual([undefined, undefined, undefined, undefined]);
    history.append(detailedBatchOf({ reason: 'd' }));
    expect(held()).toEqual([undefined, undefined, undefined, 'd']);
  });

  it('leaves what lies in a store there until it is asked for', () => {
    const history = new FlowHistory(3);
    const asked: number[] = [];
    const store = { details: (place: number) => (asked.push(place), { reason: `at ${place}` }) };
    const writer = new FlowWriter(4);
    const stored = (...places: number[]) => {
      writer.clear();
      for (const place of places) writer.addStored({}, store, place);
      return writer.batch();
    };
    history.append(stored(7, 4_000_000_000));
    history.append(detailedBatchOf({ reason: 'a' }));
    expect(asked).toEqual([]);
    const held = () => [...history.rows()].map(({ batch, row }) => batch.details(row)?.reason);
    expect(held()).toEqual(['at 7', 'at 4000000000', 'a']);
    history.append(stored(9));
    history.append(batchOf({}));
    expect(held()).toEqual(['a', 'at 9', undefined]);
    history.append(detailedBatchOf({ reason: 'b' }));
    history.append(batchOf({}, {}, {}));
    expect(held()).toEqual([undefined, undefined, undefined]);
  });

  it('keeps nothing when it has no room', () => {
    const history = new FlowHistory(0);
    history.append(batchOf({}, {}));
    expect([history.appended, history.length, [...history.rows()].length]).toEqual([2, 0, 0]);
  });
});
