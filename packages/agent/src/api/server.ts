import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { RetinaError, type Logger } from '@retina/sdk';
import { followLines, type LineSource } from './lines.ts';
import { listenOnSocket } from './socket.ts';
import { TOP_KINDS, type AgentStatus, type ApiError, type TapReport, type TopKind, type TopReport } from './types.ts';

// `import` from node:http would read all its exports, among them those that load an HTTP client of 11 MB.
const { createServer } = process.getBuiltinModule('node:http');

const MAX_CONNECTIONS = 64;

/** What the local API shows. Methods throw RETINA_REQUEST_INVALID for parameters they do not understand. */
export interface ApiSource {
  status(): AgentStatus;
  /** The configuration in force, defaults included. */
  config(): unknown;
  taps(): readonly TapReport[];
  top(kind: TopKind, query: URLSearchParams): TopReport;
  flows(query: URLSearchParams): LineSource;
}

/**
 * Serves the local API over HTTP on a unix socket: `/v1/status`, `/v1/flows`, `/v1/top`, `/v1/taps`, `/v1/config`, GET
 * only. Throws RETINA_LISTEN_FAILED. Disposing of it ends every connection and removes the socket.
 */
export async function serveApi(source: ApiSource, path: string, log: Logger): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    void answer(source, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendError(response, error, log);
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenOnSocket(server, path);
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(source: ApiSource, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent');
  if (request.method !== 'GET') {
    response.setHeader('allow', 'GET');
    return sendJson(response, 405, invalid(`${request.method} is not allowed`, 'GET'));
  }
  switch (pathname) {
    case '/v1/status':
      return sendJson(response, 200, source.status());
    case '/v1/config':
      return sendJson(response, 200, source.config());
    case '/v1/taps':
      return sendJson(response, 200, source.taps());
    case '/v1/top':
      return sendJson(response, 200, source.top(topKind(searchParams), searchParams));
    case '/v1/flows': {
      const lines = source.flows(searchParams); // before the head: what it throws becomes the status
      response.writeHead(200, { 'content-type': 'application/jsonl', 'cache-control': 'no-store' });
      response.flushHeaders();
      return followLines(lines, response);
    }
    default: {
      const known = '/v1/status, /v1/flows, /v1/top, /v1/taps, /v1/config';
      return sendJson(response, 404, invalid(`no such path: ${pathname}`, known));
    }
  }
}

function topKind(query: URLSearchParams): TopKind {
  const kind = query.get('kind') ?? 'talkers';
  const found = TOP_KINDS.find((known) => known === kind);
  if (found) return found;
  throw new RetinaError('RETINA_REQUEST_INVALID', 'kind is not understood', {
    found: kind,
    needed: TOP_KINDS.join(', '),
  });
}

function invalid(found: string, needed: string): ApiError {
  return errorDocument(new RetinaError('RETINA_REQUEST_INVALID', 'The request is not understood', { found, needed }));
}

function errorDocument(error: RetinaError): ApiError {
  const { code, message, found, needed, next } = error;
  return {
    code,
    summary: error.summary,
    message,
    ...(found && { found }),
    ...(needed && { needed }),
    ...(next && { next }),
  };
}

function sendError(response: ServerResponse, error: unknown, log: Logger): void {
  if (error instanceof RetinaError && error.code === 'RETINA_REQUEST_INVALID') {
    return sendJson(response, 400, errorDocument(error));
  }
  log.error('local API request failed', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  const wrapped = RetinaError.from(error, 'RETINA_REQUEST_INVALID', 'The agent failed to answer');
  sendJson(response, 500, errorDocument(wrapped));
}

function sendJson(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document) + '\n');
}
