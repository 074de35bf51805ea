import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { gunzipSync } from 'node:zlib';
import type { Certificates } from '@retina/testkit';

export interface Request {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- assertions reach into it
  readonly items: any[];
}
export type Answer = (response: ServerResponse, request: Request, n: number) => void;

export const TENANT = '11111111-2222-3333-4444-555555555555';
export const CLIENT = '66666666-7777-8888-9999-aaaaaaaaaaaa';
export const KEY = 'bbbbbbbb-cccc-dddd-eeee-ffffffffffff';
export const RULE = `dcr-${'0123456789abcdef'.repeat(2)}`;

/** Azure on this machine, by TLS: an authority that gives tokens, Application Insights' ingestion and the Logs Ingestion API. */
export class Azure implements AsyncDisposable {
  readonly track: Request[] = [];
  readonly logs: Request[] = [];
  /** Assertions (federated tokens) for which a token was given. */
  readonly assertions: string[] = [];
  /** Seconds that the next tokens live. */
  tokenLife = 3600;
  onTrack: Answer = (response, { items }) => accepted(response, items.length);
  onLogs: Answer = (response) => void response.writeHead(204).end();
  /** Refuses to give tokens, in these words. */
  refusal: string | undefined;
  /** Gives no token and says nothing. */
  silent = false;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async start({ server: { cert, key } }: Certificates): Promise<Azure> {
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
    const azure = new Azure(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => azure.answer(request, response, Buffer.concat(chunks)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return azure;
  }

  get url(): string {
    return `https://localhost:${(this.server.address() as { port: number }).port}`;
  }

  get connectionString(): string {
    return `InstrumentationKey=${KEY};IngestionEndpoint=${this.url}/;LiveEndpoint=https://nobody.invalid/`;
  }

  private answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const path = request.url ?? '';
    const { pathname } = new URL(path, this.url);
    if (pathname.endsWith('/.well-known/openid-configuration')) return this.discovery(response);
    if (pathname.endsWith('/oauth2/v2.0/token')) return this.token(response, new URLSearchParams(body.toString()));
    const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
    const seen = { path, headers: request.headers, items: JSON.parse(text) as unknown[] };
    if (path === '/v2.1/track') return this.onTrack(response, seen, this.track.push(seen));
    if (path.startsWith(`/dataCollectionRules/${RULE}/streams/Custom-RetinaFlows_CL?`))
      return this.onLogs(response, seen, this.logs.push(seen));
    response.writeHead(404).end();
  }

  private discovery(response: ServerResponse): void {
    const base = `${this.url}/${TENANT}`;
    json(response, 200, {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      issuer: `${base}/v2.0`,
      jwks_uri: `${base}/keys`,
      end_session_endpoint: `${base}/logout`,
    });
  }

  private token(response: ServerResponse, form: URLSearchParams): void {
    if (this.silent) return;
    if (this.refusal) return json(response, 400, { error: 'invalid_client', error_description: this.refusal });
    this.assertions.push(form.get('client_assertion') ?? '');
    json(response, 200, {
      token_type: 'Bearer',
      expires_in: this.tokenLife,
      access_token: `token-${this.assertions.length}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function accepted(
  response: ServerResponse,
  items: number,
  errors: { index: number; statusCode: number; message: string }[] = [],
): void {
  json(response, errors.length > 0 ? 206 : 200, { itemsReceived: items, itemsAccepted: items - errors.length, errors });
}
