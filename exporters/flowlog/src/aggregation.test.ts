import { describe, expect, it } from 'vitest';
import { Direction, Reply, Verdict } from '@retina/sdk';
import { batchOf, endpoints, json, never, T } from '../test/log.ts';
import { Aggregation } from './aggregation.ts';
import type { LogRecord } from './record.ts';

function sums(maxGroups = 100) {
  const lines: string[] = [];
  const state = { full: false };
  const target = {
    write(bytes: Uint8Array): Promise<number> {
      if (state.full) return Promise.reject(new Error('full'));
      lines.push(...Buffer.from(bytes).toString().trimEnd().split('\n'));
      return Promise.resolve(bytes.length);
    },
  };
  const line = (record: LogRecord) => `${JSON.stringify(record)}\n`;
  const aggregation = new Aggregation({ target, wanted: () => true, json, line, endpoints, maxGroups });
  return { aggregation, state, records: () => lines.map((text) => JSON.parse(text) as LogRecord) };
}

describe('Aggregation', () => {
  it('sums by workloads, server port, verdict and direction, and keeps nothing of single pods', async () => {
    const { aggregation, records } = sums();
    await aggregation.add(batchOf({}, { sourceEndpoint: 2, sourcePort: 5, start: T - 1000, retransmits: 3 }, { verdict: Verdict.DROPPED }), never);
    await aggregation.add(batchOf({ end: T + 9000 }, { sourcePort: 80, destinationPort: 40_000, isReply: Reply.YES, direction: Direction.INGRESS }), never);
    await aggregation.write(never);
    expect(records()).toHaveLength(3);
    expect(records()[0]).toEqual({
      time: '2026-01-31T12:00:09.000Z', start_time: '2026-01-31T11:59:59.000Z', verdict: 'FORWARDED', l4: { TCP: { destination_port: 80 } },
      source: { kind: 'pod', namespace: 'shop', workloads: [{ kind: 'Deployment', name: 'web' }] },
      destination: { kind: 'pod', namespace: 'shop', workloads: [{ kind: 'Deployment', name: 'db' }] },
      Type: 'L3_L4', traffic_direction: 'EGRESS', trace_observation_point: 'FROM_ENDPOINT', is_reply: false, packets: 6, bytes: 900, retransmits: 3,
      aggregate: { egress_flow_count: 3 },
    });
    expect(records()[2]).toMatchObject({ l4: { TCP: { source_port: 80 } }, is_reply: true, aggregate: { ingress_flow_count: 1 } });
    await aggregation.write(never);
    expect(records()).toHaveLength(3);
  }); // prettier-ignore

  it('keeps what cannot be written, and takes no more than it has room for', async () => {
    const { aggregation, state, records } = sums(16);
    state.full = true;
    const ports = Array.from({ length: 20 }, (_, i) => ({ destinationPort: 1000 + i }));
    expect(await aggregation.add(batchOf(...ports), never)).toMatchObject({ retry: [16, 17, 18, 19], cause: 'full' });
    await expect(aggregation.write(never)).rejects.toThrow('full');
    expect(await aggregation.add(batchOf(ports[3]!), never)).toBeUndefined();
    state.full = false;
    expect(await aggregation.add(batchOf(...ports.slice(16)), never)).toBeUndefined();
    await aggregation.write(never);
    const packets = records().map((record) => record.packets);
    expect([packets.length, packets.reduce((a, b) => a + b)]).toEqual([20, 2 * 21]);
  });
});
