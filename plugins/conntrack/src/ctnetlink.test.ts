import { describe, expect, it } from 'vitest';
import { RECORDED, recorded } from '../test/recorded.ts';
import { NAT, readEntry, readStatistics, Status } from './ctnetlink.ts';
import { translationOf } from './followed.ts';
import { stateName } from './states.ts';

const v4 = (text: string) => Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...text.split('.').map(Number)]);

describe('messages of the connection table', () => {
  it('give both tuples, status and state of a connection', () => {
    const entry = readEntry(recorded('begun'))!;
    expect(entry.original).toEqual({
      source: v4('10.9.0.2'), destination: v4('10.9.0.77'), sourcePort: 60_246, destinationPort: 8443, protocol: 6,
    }); // prettier-ignore
    expect(entry.reply).toMatchObject({ source: v4('10.9.0.1'), sourcePort: 9, destination: v4('10.9.0.2') });
    expect(entry).toMatchObject({ family: 4, state: 1, zone: 0 });
    expect(entry.status & NAT).toBe(Status.DST_NAT);
    expect(stateName(entry)).toBe('SYN_SENT');
    expect(stateName(readEntry(recorded('ended'))!)).toBe('CLOSE');
    expect(stateName(readEntry(recorded('dumped'))!)).toBe('UNREPLIED');
  });

  it('tell what is translated to what', () => {
    expect(translationOf(readEntry(recorded('begun'))!)).toEqual({
      protocol: 6,
      source: v4('10.9.0.2'), sourcePort: 60_246, destination: v4('10.9.0.77'), destinationPort: 8443,
      newSource: v4('10.9.0.2'), newSourcePort: 60_246, newDestination: v4('10.9.0.1'), newDestinationPort: 9,
    }); // prettier-ignore
    expect(translationOf(readEntry(recorded('dumped'))!)).toMatchObject({ sourcePort: 7001, newSourcePort: 6000 });
    const { original, ...entry } = readEntry(recorded('begun'))!;
    const { source, destination, sourcePort, destinationPort, protocol } = original;
    const back = { source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort, protocol }; // prettier-ignore
    expect(translationOf({ ...entry, original, reply: back })).toBeUndefined();
  });

  it('give statistics', () => {
    const cpu = readStatistics(recorded('cpu'))!;
    expect([cpu.cpu, cpu.values.get(9), cpu.values.get(10)]).toEqual([1, 2, 2]);
    expect([...readStatistics(recorded('table'))!.values.values()]).toEqual([1, 262_144]);
  });

  it('may be cut off anywhere', () => {
    for (const name of Object.keys(RECORDED) as (keyof typeof RECORDED)[]) {
      const whole = recorded(name);
      for (let length = 0; length < whole.length; length++) {
        const cut = whole.subarray(0, length);
        const entry = readEntry(cut);
        // what was read before the cut is right, or nothing is
        if (entry) expect(entry.original).toEqual(readEntry(whole)!.original);
        readStatistics(cut);
      }
    }
  });

  it('may hold anything', () => {
    let state = 7;
    const next = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
    for (let round = 0; round < 20_000; round++) {
      const bytes = recorded(round % 2 ? 'begun' : 'dumped');
      for (let i = 0; i < 3; i++) bytes[next() % bytes.length] = next();
      const entry = readEntry(bytes);
      if (!entry) continue;
      for (const { source, destination } of [entry.original, entry.reply]) {
        expect(source.length + destination.length).toBe(32);
      }
      expect(stateName(entry)).toMatch(/^[A-Z_0-9]+$/);
    }
  });
});
