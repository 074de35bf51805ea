import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface HecEvent {
  readonly time: number;
  readonly host: string;
  readonly sourcetype: string;
  readonly event: Record<string, unknown>;
}

/** A server that speaks the HTTP Event Collector's protocol to what it is sent, as far as an exporter sees it. */
export class CollectorServer implements AsyncDisposable {
  readonly events: HecEvent[] = [];
  token = 'secret';
  /** Whether it makes sense of an event. */
  valid: (event: HecEvent) => boolean = () => true;
  /** Answers the next calls in place of the protocol. */
  readonly instead: ((response: ServerResponse) => void)[] = [];
  private readonly server = createServer((request, response) => void this.answer(request, response));

  static async start(): Promise<CollectorServer> {
    const server = new CollectorServer();
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
    const instead = this.instead.shift();
    if (instead) return instead(response);
    const say = (status: number, code: number, text: string, more: object = {}) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ text, code, ...more }));
    if (request.method !== 'POST' || request.url !== '/services/collector/event') return say(404, 404, 'no such path');
    if (request.headers.authorization !== `Splunk ${this.token}`) return say(403, 4, 'Invalid token');
    const lines = gunzipSync(Buffer.concat(chunks)).toString().trimEnd().split('\n');
    for (const [number, line] of lines.entries()) {
      const event = JSON.parse(line) as HecEvent;
      if (!this.valid(event)) return say(400, 6, 'Invalid data format', { 'invalid-event-number': number });
      this.events.push(event);
    }
    say(200, 0, 'Success');
  } // prettier-ignore
}
