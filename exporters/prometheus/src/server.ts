import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Health, type MetricReader, RetinaError } from '@retina/sdk';
import { portHolder } from './port-holder.ts';
import { Access, type AccessOptions } from './access.ts';
import { CONTENT_TYPES, wantedBy } from './negotiate.ts';
import { type Rendering, Renderings } from './rendering.ts';
import { TlsFiles, type TlsConfig } from './tls.ts';

// `import` from node:http would read all its exports, among them those that load an HTTP client of 11 MB.
const { createServer } = process.getBuiltinModule('node:http');

export interface MetricsServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly metrics: MetricReader;
  readonly health: () => Health;
  /** Bytes that slow readers may hold before the slowest are cut off. Default 64 MiB. */
  readonly maxBufferedBytes?: number;
  /** Milliseconds one response may take. Default 60 000. */
  readonly responseTimeoutMs?: number;
  readonly onError?: (error: unknown) => void;
  /** HTTPS, where given. */
  readonly tls?: TlsConfig | undefined;
  /** Who may read metrics; anybody by default. */
  readonly access?: AccessOptions;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** `/metrics`, `/healthz` and `/readyz`. */
export class MetricsServer implements AsyncDisposable {
  readonly address: AddressInfo;
  private readonly server: Server;

  private readonly tls: TlsFiles | undefined;

  private constructor(server: Server, tls: TlsFiles | undefined) {
    this.server = server;
    this.tls = tls;
    this.address = server.address() as AddressInfo;
  }

  /** @throws RETINA_LISTEN_FAILED, naming who holds the port where that can be known. */
  static async listen(options: MetricsServerOptions): Promise<MetricsServer> {
    const limits = {
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: 5_000,
    };
    const tls = options.tls && new TlsFiles(options.tls);
    const server: Server = tls
      ? process.getBuiltinModule('node:https').createServer({ ...limits, ...tls.read() })
      : createServer(limits);
    server.maxConnections = 512;
    server.on('tlsClientError', () => undefined); // a peer that cannot or may not: its own affair
    const routes = new Routes(options);
    server.on('request', (request, response) => routes.handle(request, response));
    server.listen({ host: options.host, port: options.port });
    try {
      await once(server, 'listening');
    } catch (error) {
      throw await listenError(options, error as NodeJS.ErrnoException);
    }
    server.on('error', (error) => options.onError?.(error));
    return new MetricsServer(server, tls);
  }

  get url(): string {
    const { address, family, port } = this.address;
    return `${this.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** Goes over to certificates that changed on the disk. @throws what is wrong with them; the old ones stay in use. */
  renew(): void {
    const renewed = this.tls?.changed();
    if (renewed) (this.server as import('node:https').Server).setSecureContext(renewed);
  }

  /** Refuses new connections, lets responses under way end for a moment, then cuts them off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeIdleConnections();
    const timer = setTimeout(() => this.server.closeAllConnections(), 500);
    await closed;
    clearTimeout(timer);
  }
}

class Routes {
  private readonly options: MetricsServerOptions;
  private readonly renderings: Renderings;
  private readonly access: Access;
  private readonly timeoutMs: number;
  private readonly routes: Readonly<Record<string, Handler>> = {
    '/metrics': (request, response) => this.metrics(request, response),
    '/healthz': (_, response) => this.health(response, 'live'),
    '/readyz': (_, response) => this.health(response, 'ready'),
  };

  constructor(options: MetricsServerOptions) {
    this.options = options;
    this.renderings = new Renderings(options.metrics, options.maxBufferedBytes ?? 64 * 1024 * 1024);
    this.access = new Access(options.access ?? {}, options.tls?.client_auth_type, options.tls?.client_allowed_sans);
    this.timeoutMs = options.responseTimeoutMs ?? 60_000;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy()); // the peer is gone: nothing to tell anyone
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const route = Object.hasOwn(this.routes, path) ? this.routes[path] : undefined;
    const method = request.method ?? '';
    if (!route) return plain(response, 404, `no such path; there are ${Object.keys(this.routes).join(', ')}\n`);
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      response.setHeader('Connection', 'close'); // whatever body comes is not read
      return plain(response, 405, 'only GET and HEAD\n');
    }
    request.resume();
    Promise.resolve(route(request, response)).catch((error: unknown) => {
      this.options.onError?.(error);
      if (response.headersSent) response.destroy();
      else plain(response, 500, 'the metrics could not be rendered; see the log\n');
    });
  }

  private async metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const denied = await this.access.check(request);
    if (denied) {
      if (denied.challenge) response.setHeader('WWW-Authenticate', denied.challenge);
      return plain(response, denied.status, denied.text);
    }
    const wanted = wantedBy(request.url ?? '/', request.headers);
    response.setHeader('Content-Type', CONTENT_TYPES[wanted.format]);
    response.setHeader('Vary', 'Accept, Accept-Encoding');
    if (wanted.encoding === 'gzip') response.setHeader('Content-Encoding', 'gzip');
    if (request.method === 'HEAD') return void response.end();
    const rendering = this.renderings.acquire(wanted);
    const cut = () => response.destroy();
    rendering.signal.addEventListener('abort', cut);
    const timer = setTimeout(cut, this.timeoutMs);
    try {
      await send(rendering, response);
    } finally {
      clearTimeout(timer);
      rendering.signal.removeEventListener('abort', cut);
      this.renderings.release(rendering);
    }
  }

  private health(response: ServerResponse, what: 'live' | 'ready'): void {
    const health = this.options.health();
    const status = health[what] ? 'ok' : 'failing';
    // Probes come without credentials, and get no more than an answer where others need them.
    const body = `${JSON.stringify(this.access.open ? { status, ...health } : { status })}\n`;
    response.writeHead(health[what] ? 200 : 503, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
    });
    response.end(body);
  }
}

/** Writes a rendering as fast as the peer reads. Ends early, without a complaint, when the peer goes. */
async function send(rendering: Rendering, response: ServerResponse): Promise<void> {
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  for (let i = 0; ; i++) {
    while (i >= rendering.chunks.length && !rendering.done && !response.destroyed) {
      await Promise.race([rendering.more(), closed]);
    }
    if (response.destroyed) return;
    if (rendering.failure) throw rendering.failure;
    if (i >= rendering.chunks.length) break;
    if (!response.write(rendering.chunks[i])) await Promise.race([once(response, 'drain'), closed]);
    if (response.destroyed) return;
  }
  response.end();
  await closed; // the bytes stay accounted for until the peer has them
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

async function listenError({ host, port }: MetricsServerOptions, error: NodeJS.ErrnoException): Promise<RetinaError> {
  const holder = error.code === 'EADDRINUSE' ? await portHolder(port) : undefined;
  const next =
    error.code === 'EADDRINUSE'
      ? `stop ${holder ?? 'whoever holds the port'}, or set exporters.prometheus.port to another`
      : error.code === 'EACCES'
        ? 'choose a port above 1023, or grant CAP_NET_BIND_SERVICE'
        : 'set exporters.prometheus.host to an address of this host';
  return new RetinaError('RETINA_LISTEN_FAILED', `cannot serve metrics on ${host} port ${port}`, {
    found: holder ? `${error.code}, held by ${holder}` : (error.code ?? error.message),
    needed: 'a free address and port',
    next,
    retryable: error.code === 'EADDRINUSE',
    cause: error,
  });
}
