import { FlowWriter, type FlowBatch, type FlowJson } from '@retina/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bulk } from './bulk.ts';
import { Connection } from './post.ts';
import { BulkServer } from './testing.ts';

const never = new AbortController().signal;
const json = (batch: FlowBatch, row: number) =>
  ({ time: '2026-01-31T12:00:00.000Z', packets: batch.packets(row) }) as FlowJson;

function numbered(count: number): FlowBatch {
  const writer = new FlowWriter(count);
  for (let n = 0; n < count; n++) writer.add({ packets: n });
  return writer.batch();
}

let server: BulkServer;
let connection: Connection;
let bulk: Bulk;
beforeEach(async () => {
  server = await BulkServer.start();
  connection = new Connection(new URL(`${server.url}/flows/_bulk`), 100_000);
  bulk = new Bulk({ connection, receiver: 'the test', json, authorization: () => Promise.resolve('ApiKey x') });
});
afterEach(async () => {
  connection[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});
const packets = () => [...server.documents.values()].map((document) => document['packets']);

describe('the bulk API', () => {
  it('takes every record once, also one that is sent again since the answer got lost', async () => {
    const batch = numbered(1000);
    server.instead.push((response) => response.destroy());
    await expect(bulk.send(batch, never)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await bulk.send(batch, never)).toBeUndefined();
    expect(await bulk.send(batch, never)).toBeUndefined();
    expect(packets()).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(new Set(server.authorizations)).toEqual(new Set(['ApiKey x']));
  });

  it('asks for the items again that there was no room for, and gives up those that are refused', async () => {
    server.item = ({ packets: n }) => ((n as number) % 10 === 3 ? 429 : (n as number) % 10 === 4 ? 503 : n === 50 ? 400 : 201);
    expect(await bulk.send(numbered(60), never)).toEqual({
      refused: 1,
      retry: [3, 4, 13, 14, 23, 24, 33, 34, 43, 44, 53, 54],
      cause: 'status 429: test_exception: as the test wants it',
    });
    expect(server.documents.size).toBe(47);
  }); // prettier-ignore

  it('tells what passes from what does not', async () => {
    const answer = (status: number, headers: Record<string, string> = {}) =>
      server.instead.push((response) => void response.writeHead(status, headers).end('{"error":"no"}'));
    answer(429, { 'retry-after': '7' });
    await expect(bulk.send(numbered(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY', retryAfterMs: 7000 }); // prettier-ignore
    answer(502);
    await expect(bulk.send(numbered(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    for (const status of [401, 413, 302]) {
      answer(status, { location: 'http://elsewhere' });
      await expect(bulk.send(numbered(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_REFUSED' });
    }
  });

  it('survives answers that are none: cut off, without end, of another length, never', async () => {
    for (const body of ['', '<html>', '{"items":[]}', '{"items":[{"create":{"status":201}}', `{"items":[${' '.repeat(1e6)}`]) {
      server.instead.push((response) => void response.end(body));
      await expect(bulk.send(numbered(2), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    }
    server.instead.push((response) => void response.writeHead(200).write('{'));
    await expect(bulk.send(numbered(2), AbortSignal.timeout(50))).rejects.toThrow('abort');
  }); // prettier-ignore
});
