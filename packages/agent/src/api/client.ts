import { existsSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { RetinaError, type ErrorCode } from '@retina/sdk';
import { socketCandidates } from './socket.ts';
import type { AgentStatus, ApiError, FlowLine, TopKind, TopReport, TapReport } from './types.ts';

// `import` from node:http would read all its exports, among them those that load an HTTP client of 11 MB.
const { request } = process.getBuiltinModule('node:http');

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Speaks to a running agent over its socket. Every method throws RETINA_AGENT_UNREACHABLE where none answers. */
export class AgentClient {
  readonly socket: string;

  /** `socket`, else $RETINA_SOCKET, else the first of the usual places that exists. */
  constructor(socket?: string) {
    const candidates = socketCandidates();
    this.socket =
      socket ?? process.env['RETINA_SOCKET'] ?? candidates.find((path) => existsSync(path)) ?? candidates[0]!;
  }

  status(): Promise<AgentStatus> {
    return this.json('/v1/status');
  }
  top<K extends TopKind>(kind: K, query: Query = {}): Promise<TopReport & { readonly kind: K }> {
    return this.json('/v1/top', { kind, ...query });
  }
  taps(): Promise<readonly TapReport[]> {
    return this.json('/v1/taps');
  }
  config(): Promise<unknown> {
    return this.json('/v1/config');
  }

  /** Flow records, oldest first; with `follow` until `signal` is aborted or the agent ends. */
  async *flows(query: Query = {}, signal?: AbortSignal): AsyncGenerator<FlowLine> {
    const response = await this.open('/v1/flows', query, signal);
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        if (line) yield JSON.parse(line) as FlowLine;
      }
    } finally {
      response.destroy();
    }
  }

  private async json<T>(path: string, query: Query = {}): Promise<T> {
    const response = await this.open(path, query);
    return JSON.parse(await text(response)) as T;
  }

  private open(path: string, query: Query, signal?: AbortSignal): Promise<IncomingMessage> {
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) {
      if (value === undefined || value === false) continue;
      for (const one of Array.isArray(value) ? value : [value]) parameters.append(key, String(one));
    }
    const search = parameters.size ? `?${parameters.toString()}` : '';
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.socket, path: path + search, agent: false, ...(signal && { signal }) });
      sent.on('error', (error: NodeJS.ErrnoException) => reject(this.unreachable(error)));
      sent.on('response', (response) => {
        if (response.statusCode === 200) resolve(response);
        else void text(response).then((body) => reject(refused(response, body)), reject);
      });
      sent.end();
    });
  }

  private unreachable(error: NodeJS.ErrnoException): RetinaError {
    const [found, next] = explain(error, this.socket);
    return new RetinaError('RETINA_AGENT_UNREACHABLE', 'No agent answers', {
      found,
      next,
      cause: error,
      retryable: true,
    });
  }
}

function explain(error: NodeJS.ErrnoException, socket: string): readonly [string, string] {
  switch (error.code) {
    case 'ENOENT':
      return [`no socket at ${socket}`, 'start an agent (npm start, as root), or name its socket with --socket'];
    case 'ECONNREFUSED':
      return [`${socket}, left by an agent that has ended`, 'start an agent (npm start, as root)'];
    case 'EACCES':
    case 'EPERM':
      return [
        `${socket} may not be opened by this user`,
        'run this with sudo, or as a member of the group that owns the socket',
      ];
    default:
      return [`${socket}: ${error.message}`, 'see whether the agent is running, and its log'];
  }
}

function refused(response: IncomingMessage, body: string): RetinaError {
  try {
    const error = JSON.parse(body) as ApiError;
    const { found, needed, next } = error;
    return new RetinaError(error.code as ErrorCode, error.summary, {
      ...(found && { found }),
      ...(needed && { needed }),
      ...(next && { next }),
    });
  } catch {
    return new RetinaError('RETINA_AGENT_UNREACHABLE', 'The agent gave an answer that is none', {
      found: `HTTP ${response.statusCode}: ${body.slice(0, 200)}`,
      next: 'see whether the agent and this command are of the same version',
    });
  }
}

async function text(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let all = '';
  for await (const chunk of response) all += chunk as string;
  return all;
}
