import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { Receiver } from './deliver.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function answering(status: number): Promise<string> {
  server = createServer((_, response) => response.writeHead(status).end('no'));
  await new Promise<void>((done) => void server!.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function failure(url: string): Promise<unknown> {
  using receiver = new Receiver(url, 'secret');
  return await receiver.deliver('{}\n', AbortSignal.timeout(5000)).catch((error: unknown) => error);
}

it.each([
  [400, 'RETINA_EXPORT_REFUSED'],
  [401, 'RETINA_EXPORT_REFUSED'],
  [429, 'RETINA_EXPORT_RETRY'],
  [503, 'RETINA_EXPORT_RETRY'],
])('status %i is %s', async (status, code) => {
  expect(await failure(await answering(status))).toMatchObject({ code });
});

it('is tried again where nobody listens', async () => {
  expect(await failure('http://127.0.0.1:1/')).toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
});
