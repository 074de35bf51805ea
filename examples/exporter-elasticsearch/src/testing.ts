import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A server that speaks the bulk API to what it is sent, as far as an exporter sees it. */
export class BulkServer implements AsyncDisposable {
  /** Documents by id. */
  readonly documents = new Map<string, Record<string, unknown>>();
  readonly authorizations: (string | undefined)[] = [];
  /** Decides the fate of each item; the default takes it. */
  item: (document: Record<string, unknown>) => number = () => 201;
  /** Answers the next calls in place of the protocol. */
  readonly instead: ((response: ServerResponse) => void)[] = [];
  private readonly server = createServer((request, response) => void this.answer(request, response));

  static async start(): Promise<BulkServer> {
    const server = new BulkServer();
    server.server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    this.authorizations.push(request.headers.authorization);
    const instead = this.instead.shift();
    if (instead) return instead(response);
    const { pathname } = new URL(request.url!, this.url);
    const lines = gunzipSync(Buffer.concat(chunks)).toString().split('\n');
    if (request.method !== 'POST' || pathname !== '/flows/_bulk' || request.headers['content-type'] !== 'application/x-ndjson' || lines.pop() !== '') {
      return void response.writeHead(400).end('{"error":"not a bulk call"}');
    }
    const items: object[] = [];
    for (let i = 0; i < lines.length; i += 2) {
      const { create } = JSON.parse(lines[i]!) as { create: { _id: string } };
      const document = JSON.parse(lines[i + 1]!) as Record<string, unknown>;
      const status = this.documents.has(create._id) ? 409 : this.item(document);
      if (status === 201) this.documents.set(create._id, document);
      items.push({ create: { status, ...(status >= 300 && { error: { type: 'test_exception', reason: 'as the test wants it' } }) } });
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ items }));
  } // prettier-ignore
}
