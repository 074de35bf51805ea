import { describe, expect, it } from 'vitest';
import { batchOf } from '../../test/flows.ts';
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

  it('keeps nothing when it has no room', () => {
    const history = new FlowHistory(0);
    history.append(batchOf({}, {}));
    expect([history.appended, history.length, [...history.rows()].length]).toEqual([2, 0, 0]);
  });
});
