import type { IncomingMessage, RequestOptions } from 'node:http';
import { promisify } from 'node:util';
import { gzip, type ZlibOptions } from 'node:zlib';
import { httpFailure, RetinaError } from '@retina/sdk';
import type { Credentials } from './credentials.ts';
import type { OtlpConfig } from './options.ts';
import { adviceFor, LONGEST_ANSWER, type Signal, type Transport, unreachable } from './transport.ts';

// `import` from node:http would read all its exports, among them those that load an HTTP client of 11 MB.
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');
/** Half the work of the default, for a fifth more bytes. */
const LEVEL = 3;
/** What it writes at a time: most requests as a whole. */
const CHUNK = 128 * 1024;
const zip = promisify(gzip) as (body: Uint8Array, options: ZlibOptions) => Promise<Buffer>;

/** OTLP over HTTP/1.1, protobuf or JSON. */
export class HttpTransport implements Transport {
  private readonly config: OtlpConfig;
  private agent: InstanceType<typeof https.Agent> | InstanceType<typeof http.Agent> | undefined;
  private madeFor: Credentials | undefined;

  constructor(config: OtlpConfig) {
    this.config = config;
  }

  async send(signal: Signal, body: Uint8Array, credentials: Credentials, abort: AbortSignal): Promise<Uint8Array> {
    const { config } = this;
    const url = urlOf(config, signal);
    const packed = config.compression === 'gzip' ? await zip(body, { level: LEVEL, chunkSize: CHUNK }) : body;
    const receiver = `${url.origin}${url.pathname}`;
    const time = new AbortController();
    const options: RequestOptions = {
      method: 'POST',
      agent: this.agentFor(url, credentials),
      headers: {
        ...credentials.headers,
        'content-type': config.protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
        ...(config.compression === 'gzip' && { 'content-encoding': 'gzip' }),
        'content-length': packed.length,
        'user-agent': 'retina',
      },
      signal: AbortSignal.any([abort, time.signal]),
    };
    const timer = setTimeout(() => time.abort(), config.timeoutMs);
    let response: IncomingMessage;
    let answer: Buffer;
    try {
      response = await new Promise<IncomingMessage>((resolve, reject) => {
        const send = url.protocol === 'https:' ? https.request : http.request;
        send(url, options).on('response', resolve).on('error', reject).end(packed);
      });
      answer = await bounded(response, receiver);
    } catch (error) {
      throw failure(receiver, error, abort, config.timeoutMs);
    } finally {
      clearTimeout(timer);
    }
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    const body_ = /text|json/.test(response.headers['content-type'] ?? 'text') ? answer.toString('utf8') : undefined;
    throw httpFailure(receiver, { status, retryAfter: response.headers['retry-after'], body: body_ });
  }

  close(): void {
    this.agent?.destroy();
    this.agent = undefined;
  }

  private agentFor(url: URL, credentials: Credentials) {
    if (this.agent && this.madeFor === credentials) return this.agent;
    this.close();
    this.madeFor = credentials;
    const { serverName, insecureSkipVerify } = this.config.tls;
    const { ca, cert, key } = credentials;
    const common = { keepAlive: true, maxSockets: 6 };
    this.agent =
      url.protocol === 'https:'
        ? new https.Agent({
            ...common,
            ...(ca && { ca }),
            ...(cert && key && { cert, key }),
            ...(serverName && { servername: serverName }),
            rejectUnauthorized: !insecureSkipVerify,
          })
        : new http.Agent(common);
    return this.agent;
  }
}

/** Where a signal goes: its own URL as it is, else the endpoint and the path of the protocol. */
function urlOf(config: OtlpConfig, signal: Signal): URL {
  const own = signal === 'metrics' ? config.metrics.url : config.flows.url;
  return new URL(own ?? `${config.endpoint.replace(/\/+$/, '')}/v1/${signal}`);
}

async function bounded(response: IncomingMessage, receiver: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LONGEST_ANSWER) {
      response.destroy();
      throw unreachable(
        receiver,
        `an answer of more than ${LONGEST_ANSWER} bytes`,
        'check that it is an OTLP receiver',
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failure(receiver: string, error: unknown, abort: AbortSignal, timeoutMs: number): unknown {
  if (error instanceof RetinaError) return error;
  if (abort.aborted) return error;
  const { code, name, message } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError') {
    return unreachable(receiver, `no answer in ${timeoutMs} ms`, 'look at how busy it is, or raise timeoutMs', error);
  }
  return unreachable(receiver, code ? `${code}: ${message}` : message, adviceFor(`${code} ${message}`), error);
}
