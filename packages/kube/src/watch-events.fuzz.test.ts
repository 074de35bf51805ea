import fc from 'fast-check';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { KubeError } from './kube-error.ts';
import { type WatchEvent, watchEvents } from './watch-events.ts';

const seconds = Number(process.env.RETINA_FUZZ_SECONDS ?? 2);
const limits = { numRuns: 1_000_000, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false };

async function read(bytes: Buffer, cuts: readonly number[]): Promise<WatchEvent[]> {
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const pieces = ends.map((end, i) => bytes.subarray(i ? ends[i - 1] : 0, end)).filter((piece) => piece.length > 0);
  const events: WatchEvent[] = [];
  let counted = 0;
  const body = Readable.from(pieces) as IncomingMessage;
  for await (const event of watchEvents(body, 'watch', 'server', (count) => void (counted += count)))
    events.push(event);
  expect(counted).toBe(bytes.length);
  return events;
}

const event = fc.record({
  type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'LATER'),
  object: fc.record({ metadata: fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), spec: fc.jsonValue() }),
});
const cuts = fc.array(fc.nat(5000), { maxLength: 20 });

it('reads any events, wherever the pieces end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 6 }), cuts, async (events, at) => {
      const text = events.map((one) => `${JSON.stringify(one)}\n`).join('');
      expect(await read(Buffer.from(text), at)).toEqual(JSON.parse(JSON.stringify(events)));
    }),
    limits,
  );
}, 600_000);

it('takes any bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), cuts, async (bytes, at) => {
      const failure = await read(Buffer.from(bytes), at).catch((error: unknown) => error);
      if (!Array.isArray(failure)) expect(failure).toBeInstanceOf(KubeError);
    }),
    limits,
  );
}, 600_000);
