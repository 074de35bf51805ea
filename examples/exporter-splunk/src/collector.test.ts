import { FlowWriter, type FlowBatch, type FlowJson } from '@retina/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Collector } from './collector.ts';
import { Connection } from './post.ts';
import { CollectorServer } from './testing.ts';

const never = new AbortController().signal;
const json = (batch: FlowBatch, row: number) => ({ packets: batch.packets(row) }) as FlowJson;

function numbered(count: number): FlowBatch {
  const writer = new FlowWriter(count);
  for (let n = 0; n < count; n++) writer.add({ packets: n, end: 1_700_000_000_250 });
  return writer.batch();
}

let server: CollectorServer;
let connection: Connection;
let collector: Collector;
beforeEach(async () => {
  server = await CollectorServer.start();
  connection = new Connection(new URL(`${server.url}/services/collector/event`), 100_000);
  const fields = { host: 'node-1', sourcetype: 'retina:flow', index: 'net' };
  collector = new Collector({ connection, receiver: 'the test', json, token: () => Promise.resolve('secret'), fields });
});
afterEach(async () => {
  connection[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

describe('the HTTP Event Collector', () => {
  it('takes every record, with its time in seconds', async () => {
    await collector.send(numbered(1000), never);
    expect(server.events.map(({ event }) => event['packets'])).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(server.events[0]).toEqual({ time: 1_700_000_000.25, host: 'node-1', sourcetype: 'retina:flow', index: 'net', event: { packets: 0 } }); // prettier-ignore
  });

  it('goes on behind an event that is refused', async () => {
    server.valid = ({ event }) => event['packets'] !== 7;
    const answer = await collector.send(numbered(10), never);
    expect(answer).toMatchObject({ refused: 1, retry: [8, 9], cause: expect.stringContaining('Invalid data') as string });
    expect(server.events).toHaveLength(7);
    server.valid = ({ event }) => event['packets'] !== 9;
    expect(await collector.send(numbered(10), never)).not.toHaveProperty('retry');
  }); // prettier-ignore

  it('tells what passes from what does not', async () => {
    const answer = (status: number, body: object, headers: Record<string, string> = {}) =>
      server.instead.push((response) => void response.writeHead(status, headers).end(JSON.stringify(body)));
    answer(503, { text: 'Server is busy', code: 9 });
    await expect(collector.send(numbered(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    answer(429, {}, { 'retry-after': '3' });
    await expect(collector.send(numbered(1), never)).rejects.toMatchObject({ retryable: true, retryAfterMs: 3000 });
    for (const number of [-1, 5, 1.5, '0', null]) {
      answer(400, { code: 6, 'invalid-event-number': number });
      await expect(collector.send(numbered(5), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_REFUSED' });
    }
    server.token = 'another';
    await expect(collector.send(numbered(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_REFUSED', next: expect.stringContaining('credentials') as string }); // prettier-ignore
  });

  it('survives a receiver that is gone, and one that never ends', async () => {
    server.instead.push((response) => response.destroy());
    await expect(collector.send(numbered(1), never)).rejects.toMatchObject({ code: 'ECONNRESET' });
    server.instead.push((response) => {
      response.writeHead(500);
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 1);
      response.on('close', () => clearInterval(timer));
    });
    await expect(collector.send(numbered(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    server.instead.push((response) => void response.writeHead(200).write('{'));
    await expect(collector.send(numbered(1), AbortSignal.timeout(50))).rejects.toThrow('abort');
  });
});
