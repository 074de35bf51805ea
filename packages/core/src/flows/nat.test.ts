import { type FlowBatch, FlowWriter, type Translation } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { formatWords, parseAddress } from '../identity/address.ts';
import { type NatEnd, TranslationTable } from './nat.ts';

type End = readonly [address: string, port: number];
const POD: End = ['10.244.0.10', 40_000];
const SERVICE: End = ['10.96.0.1', 443];
const BACKEND: End = ['192.168.77.9', 6443];
const NODE: End = ['192.168.77.2', 51_234];

function translation(from: readonly [End, End], to: readonly [End, End]): Translation {
  return {
    protocol: 6,
    source: parseAddress(from[0][0])!, sourcePort: from[0][1], destination: parseAddress(from[1][0])!, destinationPort: from[1][1],
    newSource: parseAddress(to[0][0])!, newSourcePort: to[0][1], newDestination: parseAddress(to[1][0])!, newDestinationPort: to[1][1],
  }; // prettier-ignore
}

function record(source: End, destination: End, protocol = 6): FlowBatch {
  const writer = new FlowWriter(1);
  writer.add({
    sourceAddress: parseAddress(source[0])!, sourcePort: source[1],
    destinationAddress: parseAddress(destination[0])!, destinationPort: destination[1], protocol,
  }); // prettier-ignore
  return writer.batch();
}

const text = ({ words, port }: NatEnd): End => [formatWords(...words), port];
function found(table: TranslationTable, source: End, destination: End) {
  const ends = table.of(record(source, destination), 0);
  return ends && { before: ends.before, source: text(ends.source), destination: text(ends.destination) };
}

describe('translated connections', () => {
  const service = translation([POD, SERVICE], [NODE, BACKEND]);

  it('are found before and after the translation, in both directions', () => {
    const table = new TranslationTable();
    table.begin(service);
    expect(found(table, POD, SERVICE)).toEqual({ before: true, source: NODE, destination: BACKEND });
    expect(found(table, SERVICE, POD)).toEqual({ before: true, source: BACKEND, destination: NODE });
    expect(found(table, NODE, BACKEND)).toEqual({ before: false, source: POD, destination: SERVICE });
    expect(found(table, BACKEND, NODE)).toEqual({ before: false, source: SERVICE, destination: POD });
    expect(found(table, POD, BACKEND)).toBeUndefined();
    expect(table.of(record(POD, SERVICE, 17), 0)).toBeUndefined();
    expect(table.size).toBe(1);
  });

  it('tell the ends apart where one address speaks to itself', () => {
    const table = new TranslationTable();
    const [a, b, c] = [['10.0.0.1', 1], ['10.0.0.1', 2], ['10.0.0.1', 3]] as [End, End, End]; // prettier-ignore
    table.begin(translation([a, b], [c, b]));
    expect(found(table, a, b)).toEqual({ before: true, source: c, destination: b });
    expect(found(table, b, c)).toEqual({ before: false, source: b, destination: a });
  });

  it('linger when they end, and then make room', () => {
    let now = 1_000_000;
    const table = new TranslationTable(() => now, 1);
    expect(table.begin(service)).toBe(true);
    const other = translation([POD, ['10.96.0.2', 53]], [NODE, BACKEND.with(1, 53) as unknown as End]);
    expect(table.begin(other)).toBe(false);
    table.end(service);
    now += 59_000;
    expect(found(table, POD, SERVICE)).toBeDefined();
    now += 2000;
    expect(table.begin(other)).toBe(true);
    expect(found(table, POD, SERVICE)).toBeUndefined();
    expect(table.size).toBe(1);
  });

  it('give way to a new connection with the same ends, before or after', () => {
    const table = new TranslationTable();
    table.begin(service);
    table.begin(translation([POD, SERVICE], [NODE, ['192.168.77.8', 6443]]));
    expect(found(table, POD, SERVICE)?.destination).toEqual(['192.168.77.8', 6443]);
    expect(found(table, NODE, BACKEND)).toBeUndefined();
    table.begin(translation([['10.244.0.11', 40_000], SERVICE], [NODE, ['192.168.77.8', 6443]]));
    expect(found(table, POD, SERVICE)).toBeUndefined();
    expect(table.size).toBe(1);
  });

  it('end when they were not told of again', () => {
    let now = 1_000_000;
    const table = new TranslationTable(() => now);
    table.begin(service);
    now += 1000;
    const kept = translation([POD, ['10.96.0.2', 53]], [NODE, ['192.168.77.8', 53]]);
    table.begin(kept);
    table.endOlder(now);
    now += 61_000;
    table.sweep();
    expect(found(table, POD, SERVICE)).toBeUndefined();
    expect(found(table, POD, ['10.96.0.2', 53])).toBeDefined();
  });
});
