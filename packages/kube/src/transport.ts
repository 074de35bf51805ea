import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Credentials, type Secrets } from './credentials.ts';
import type { Access } from './kubeconfig.ts';
import { refusal, unreachable } from './refusal.ts';

export interface Call {
  /** As in a role: get, list, watch, create, update, apply, patch, delete. */
  readonly verb: string;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Between two pieces of the answer; default the transport's. */
  readonly idleMs?: number;
}

export interface TransportOptions {
  readonly userAgent: string;
  readonly timeoutMs: number;
}

/** A connection that nobody used for so long is closed; the server would do so after 90 s. */
const IDLE_SOCKET_MS = 60_000;
/** A peer that does not answer probes, one a second after so long, is gone after ten. */
const KEEP_ALIVE_MS = 15_000;
const MAX_ERROR_BYTES = 1 << 20;

/** Sends requests, with secrets that are always the newest. One attempt each, but for a token that was refused. */
export class Transport {
  readonly requests = new Map<string, number>();
  readonly #access: Access;
  readonly #options: TransportOptions;
  readonly #credentials: Credentials;
  readonly #closed = new AbortController();
  #agent: http.Agent | undefined;
  #agentFor: string | undefined;

  constructor(access: Access, options: TransportOptions) {
    this.#access = access;
    this.#options = options;
    this.#credentials = new Credentials(access);
  }

  /** The answer, its body unread, if its code is 2xx; else throws. The caller reads the body to its end or destroys it. */
  async send(call: Call): Promise<IncomingMessage> {
    const what = `${call.verb} ${call.path.split('?', 1)[0]}`;
    for (let attempt = 0; ; attempt++) {
      const secrets = await this.#credentials.current();
      let response: IncomingMessage;
      try {
        response = await this.#once(call, secrets);
      } catch (error) {
        call.signal?.throwIfAborted();
        this.#count(call.verb, 'error');
        throw unreachable(what, this.#access.server.origin, error);
      }
      const code = response.statusCode ?? 0;
      this.#count(call.verb, String(code));
      if (code >= 200 && code < 300) return response;
      const body = await readAll(response, MAX_ERROR_BYTES).catch(() => '');
      if (code === 401) {
        this.#credentials.refused(secrets);
        if (attempt === 0 && differ(secrets, await this.#credentials.current())) continue; // it has just been replaced
      }
      throw refusal(what, jsonOr(body), code, response.headers['retry-after']);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#agent?.destroy();
  }

  #count(verb: string, outcome: string): void {
    const key = `${verb} ${outcome}`;
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1);
  }

  #agentOf(secrets: Secrets): http.Agent {
    if (this.#agent && this.#agentFor === secrets.tlsId) return this.#agent;
    this.#agentFor = secrets.tlsId;
    const { server, insecure, serverName } = this.#access;
    const keep = { keepAlive: true, timeout: IDLE_SOCKET_MS };
    if (server.protocol === 'http:') return (this.#agent = new http.Agent(keep));
    return (this.#agent = new https.Agent({
      ...keep,
      ...(secrets.ca ? { ca: secrets.ca } : {}),
      ...(secrets.cert ? { cert: secrets.cert } : {}),
      ...(secrets.key ? { key: secrets.key } : {}),
      ...(serverName ? { servername: serverName } : {}),
      rejectUnauthorized: !insecure,
    }));
  }

  #once(call: Call, secrets: Secrets): Promise<IncomingMessage> {
    const { server } = this.#access;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = server.protocol === 'http:' ? http.request : https.request;
    const request = send({
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || (server.protocol === 'http:' ? 80 : 443),
      method: call.method,
      path: server.pathname.replace(/\/$/, '') + call.path,
      agent: this.#agentOf(secrets),
      headers: {
        accept: 'application/json',
        'user-agent': this.#options.userAgent,
        ...(call.contentType ? { 'content-type': call.contentType } : {}),
        ...(call.body === undefined ? {} : { 'content-length': Buffer.byteLength(call.body) }),
        ...secrets.headers,
      },
    });
    const { timeoutMs } = this.#options;
    const late = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS)); // also while a watch is silent
    request.on('error', reject); // also after the head: a listener must be there
    const abandoned = abandon(request, call.signal ? [call.signal, this.#closed.signal] : [this.#closed.signal]);
    request.on('close', () => {
      clearTimeout(late);
      abandoned();
    });
    request.on('response', (response) => {
      clearTimeout(late);
      cutWhenIdle(response, call.idleMs ?? timeoutMs);
      resolve(response);
    });
    request.end(call.body);
    return promise;
  }
}

/**
 * Ends the request, and its answer, when one of the signals aborts; the return value stops listening. What AbortSignal.any
 * makes is let go of only by the garbage collector, which is much to do for each of a hundred requests a second.
 */
function abandon(request: http.ClientRequest, signals: readonly AbortSignal[]): () => void {
  const stop = ({ target }: Event | { target: AbortSignal }) => {
    request.destroy(new Error('the request was given up', { cause: (target as AbortSignal).reason }));
  };
  for (const signal of signals) {
    if (signal.aborted) stop({ target: signal });
    signal.addEventListener('abort', stop, { once: true });
  }
  return () => signals.forEach((signal) => signal.removeEventListener('abort', stop));
}

/** Nothing for so long, and the body ends with an error: a peer that went away does not say so. */
function cutWhenIdle(response: IncomingMessage, idleMs: number): void {
  const { socket } = response;
  let [read, since] = [socket.bytesRead, performance.now()];
  const timer = setInterval(() => {
    const now = performance.now();
    if (socket.bytesRead !== read) [read, since] = [socket.bytesRead, now];
    else if (now - since >= idleMs)
      response.destroy(Object.assign(new Error(`nothing came for ${idleMs} ms`), { code: 'IDLE' }));
  }, idleMs / 4);
  response.once('close', () => clearInterval(timer));
}

/** The whole body as text. */
export async function readAll(response: IncomingMessage, limit = Infinity): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length > limit) throw new Error(`the answer is longer than ${limit} bytes`);
  }
  return Buffer.concat(parts).toString('utf8');
}

function differ(a: Secrets, b: Secrets): boolean {
  return a.tlsId !== b.tlsId || a.headers.authorization !== b.headers.authorization;
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
