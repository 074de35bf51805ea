import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { RetinaError } from '@retina/sdk';

/** Text and status of a page. */
export type Page = () => { readonly status: number; readonly body: string; readonly type?: string };

/** `:8080`, `0.0.0.0:8080`, `[::1]:8080`; port 0 for any free one. */
export interface Address {
  readonly host: string | undefined;
  readonly port: number;
}

/** Serves pages at one address until disposed of. */
export class PageServer implements AsyncDisposable {
  /** Where it listens. */
  readonly port: number;
  private readonly server: Server;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
  }

  static async listen(at: Address, pages: Readonly<Record<string, Page>>): Promise<PageServer> {
    const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) =>
      answer(pages, request, response),
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject).listen({ port: at.port, ...(at.host && { host: at.host }) }, resolve);
    try {
      await promise;
    } catch (error) {
      throw new RetinaError('RETINA_LISTEN_FAILED', 'The operator cannot serve', {
        found: error instanceof Error ? error.message : String(error),
        needed: `a free port ${at.port}`,
        next: 'choose another one with --metrics-addr or --probe-addr',
        cause: error,
      });
    }
    const address = server.address();
    return new PageServer(server, typeof address === 'object' && address ? address.port : at.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function answer(pages: Readonly<Record<string, Page>>, request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? '/').split('?', 1)[0]!;
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end(); // prettier-ignore
  if (!page) return void response.writeHead(404, { 'content-type': 'text/plain' }).end(`${Object.keys(pages).join('\n')}\n`); // prettier-ignore
  const { status, body, type = 'text/plain; charset=utf-8' } = page();
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}
