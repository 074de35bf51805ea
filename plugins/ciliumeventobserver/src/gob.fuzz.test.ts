import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAccessLog } from './access-log.ts';
import { EventType, readEvent } from './events.ts';
import { GobError } from './gob-input.ts';
import { GobStream } from './gob-stream.ts';
import { fieldsOf } from './gob-types.ts';
import { PacketReader } from './packet.ts';
import { Rows } from './rows.ts';

/** A minute and more by hand: RETINA_FUZZ_SECONDS=600. */
const MS = Number(process.env['RETINA_FUZZ_SECONDS'] ?? 2) * 1000;
const RUN = { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: MS / 3, markInterruptAsFailure: false };
const RECORDED = ['cilium', 'cilium-kinds'].map((name) =>
  readFileSync(new URL(`../fixtures/${name}.gob`, import.meta.url)),
);

/** A recording with some bytes changed, left out or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...RECORDED),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'cut', 'put')), {
      maxLength: 12,
    }),
  )
  .map(([recorded, changes]) => {
    const bytes = [...recorded];
    for (const [at, byte, how] of changes) {
      const index = at % bytes.length;
      if (how === 'set') bytes[index] = byte;
      else if (how === 'cut') bytes.splice(index, (byte % 8) + 1);
      else bytes.splice(index, 0, byte);
    }
    return Uint8Array.from(bytes);
  });

const labels: string[] = [];
const label = (text: string) => labels.push(text);

/** All that is done with an event; throws only where it must not. */
function follow(data: Uint8Array, packets: PacketReader, rows: Rows): void {
  if (data[0] === EventType.ACCESS_LOG) {
    const stream = new GobStream(1 << 16, {
      value: (value) => void readAccessLog(value, label, 0),
      skipped: () => undefined,
    });
    stream.push(data.subarray(1));
    return;
  }
  const event = readEvent(data);
  if (typeof event === 'string') return;
  expect(event.packet.length).toBeLessThanOrEqual(data.length);
  if (packets.read(event.packet, event.noEthernet, event.ipv6, event.tunnel) !== undefined) return;
  const [values] = rows.of(event, packets, 0);
  for (const value of Object.values(values)) expect(value).not.toBeNaN();
  labels.length = 0;
}

describe('whatever the socket sends', () => {
  it('is read or refused, with little of it held', () => {
    const [packets, rows] = [new PacketReader(), new Rows(label)];
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 4096 })), fc.integer({ min: 1, max: 5000 }), (bytes, size) => {
        const stream = new GobStream(4096, {
          value(value) {
            const data = fieldsOf(value).get('Data');
            if (data instanceof Uint8Array && data.length > 0) tolerant(() => follow(data, packets, rows));
          },
          skipped: (error) => expect(error).toBeInstanceOf(GobError),
        });
        tolerant(() => {
          for (let at = 0; at < bytes.length; at += size) stream.push(bytes.subarray(at, at + size));
        });
      }),
      RUN,
    );
  }, MS + 30_000); // prettier-ignore

  it('any bytes of an event are decoded or refused', () => {
    const [packets, rows] = [new PacketReader(), new Rows(label)];
    const header = fc.tuple(fc.constantFrom(1, 3, 4, 5), fc.uint8Array({ maxLength: 300 }), fc.nat(3), fc.constantFrom(0, 0, 0, 1));
    fc.assert(
      fc.property(header, ([type, rest, version, extension]) => {
        const data = Uint8Array.from([type, ...rest]);
        if (data.length > 15) [data[14], data[15]] = [version, extension];
        follow(data, packets, rows);
      }),
      RUN,
    );
  }, MS + 30_000); // prettier-ignore

  it('any bytes of a packet are decoded or refused', () => {
    const packets = new PacketReader();
    const types = fc.constantFrom([8, 0, 0x45], [0x86, 0xdd, 0x60], [0x81, 0, 0, 1, 8, 0, 0x45], [8, 6]);
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 200 }), fc.constantFrom('none', 'vxlan', 'geneve'), (type, rest, tunnel) => {
        packets.read(Uint8Array.from([...new Array<number>(12).fill(2), ...type, ...rest]), false, false, tunnel);
        packets.read(rest, true, rest.length % 2 === 0, tunnel);
        for (const port of [packets.sourcePort, packets.destinationPort]) expect(port).toBeLessThan(65_536);
      }),
      RUN,
    );
  }, MS + 30_000); // prettier-ignore
});

function tolerant(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof GobError)) throw error;
  }
}
