import { FlowWriter, Verdict } from '@retina/sdk';
import { expect, it } from 'vitest';
import { linesOf } from './pairs.ts';

it('sums what lies between the same two, and keeps no more pairs than it may', () => {
  const writer = new FlowWriter(16);
  const flow = (sourceEndpoint: number, packets: number, verdict: number = Verdict.FORWARDED) =>
    writer.add({ sourceEndpoint, destinationEndpoint: 9, packets, bytes: packets * 100, verdict });
  flow(1, 2);
  flow(1, 3, Verdict.DROPPED);
  flow(2, 5);
  flow(3, 7);
  flow(4, 11);
  flow(4, NaN);
  flow(4, -1);
  const lines = linesOf(writer.batch(), 2, (id) => `pod-${id}`).trimEnd();
  expect(lines.split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([
    { source: 'pod-1', destination: 'pod-9', packets: 5, bytes: 500, dropped: 3 },
    { source: 'pod-2', destination: 'pod-9', packets: 5, bytes: 500, dropped: 0 },
    { source: 'other', destination: 'other', packets: 18, bytes: 1800, dropped: 0 },
  ]);
});
