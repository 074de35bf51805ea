import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Agent, IncomingMessage } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { httpFailure, RetinaError, type MetricReader, type PartialDelivery, type Sink } from '@retina/sdk';
import { z } from 'zod';
import { snappy } from './snappy.ts';
import { type Protocol, WriteRequest } from './write-request.ts';

const file = z.string().min(1);

/** Where metrics are pushed to. */
export const remoteWriteConfig = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('Receiver, such as https://prometheus.example/api/v1/write.'),
  protocol: z.enum(['v2', 'v1']).default('v2').describe('Remote write 2.0, or 1.0 for receivers from before 2025.'),
  externalLabels: z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string()).default({}).describe('Labels every series gets beside job and instance.'),
  headers: z.record(z.string().min(1), z.string()).default({}).describe('Headers of every request, such as X-Scope-OrgID.'),
  bearerTokenFile: file.optional().describe('File with a token; read for every push.'),
  basicAuth: z.strictObject({ username: z.string().min(1), passwordFile: file }).optional().describe('Name, and a file with its password; read for every push.'),
  caFile: file.optional().describe("Authorities the receiver's certificate is checked against, PEM."),
  certFile: file.optional().describe('Client certificate, PEM.'),
  keyFile: file.optional().describe('Its private key, PEM.'),
}); // prettier-ignore
export type RemoteWriteConfig = z.output<typeof remoteWriteConfig>;

/** Of a request before it is compressed: what receivers take without complaint. */
const REQUEST_BYTES = 256 * 1024;
const SLICE_MS = 3;
const ANSWER_BYTES = 4096;
const TYPES: Readonly<Record<Protocol, readonly [type: string, version: string]>> = {
  v1: ['application/x-protobuf', '0.1.0'],
  v2: ['application/x-protobuf;proto=io.prometheus.write.v2.Request', '2.0.0'],
};
const WRITTEN = 'x-prometheus-remote-write-samples-written';

/** Pushes metrics to a remote write receiver. */
export class RemoteWrite implements Sink, Disposable {
  private readonly config: RemoteWriteConfig;
  private readonly labels: Readonly<Record<string, string>>;
  private readonly agent: Agent;
  private readonly http: typeof import('node:http') | typeof import('node:https');

  constructor(config: RemoteWriteConfig, instance: string) {
    this.config = config;
    this.labels = { job: 'retina', instance, ...config.externalLabels };
    const secure = config.url.startsWith('https:');
    this.http = process.getBuiltinModule(secure ? 'node:https' : 'node:http');
    const { caFile, certFile, keyFile } = config;
    const tls = {
      ...(caFile && { ca: content(caFile) }),
      ...(certFile && { cert: content(certFile) }),
      ...(keyFile && { key: content(keyFile) }),
    };
    this.agent = new this.http.Agent({ keepAlive: true, maxSockets: 1, ...tls });
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }

  async metrics(reader: MetricReader, signal: AbortSignal): Promise<PartialDelivery | void> {
    const { protocol } = this.config;
    const now = Date.now();
    const headers = this.headers();
    const request = new WriteRequest(protocol, this.labels, now);
    const total = { sent: 0, refused: 0, why: undefined as RetinaError | undefined };
    const flush = async () => {
      if (request.samples === 0) return;
      const { samples } = request;
      total.sent += samples;
      try {
        total.refused += await this.send(request.finish(), samples, headers, signal);
      } catch (error) {
        if (!(error instanceof RetinaError) || error.retryable) throw error;
        total.refused += samples;
        total.why = error;
      }
    };
    let began = performance.now();
    for (const family of reader.families()) {
      for (let i = 0; i < family.size; i++) {
        if (family.live(i)) request.add(family, i);
        if (request.bytes >= REQUEST_BYTES) await flush();
        if ((i & 15) === 15 && performance.now() - began > SLICE_MS) {
          await turn();
          signal.throwIfAborted();
          began = performance.now();
        }
      }
    }
    await flush();
    if (total.why && total.refused === total.sent) throw total.why;
    if (total.refused > 0)
      return { refused: total.refused, cause: total.why?.message ?? 'it wrote fewer samples than it was sent' };
  }

  /** Samples the receiver did not write. @throws what the contract of sinks asks for. */
  private async send(
    message: Buffer,
    samples: number,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<number> {
    const { url, protocol } = this.config;
    const body = snappy(message);
    const sent = this.http.request(url, {
      agent: this.agent,
      method: 'POST',
      signal,
      headers: { ...headers, 'content-length': body.length },
    });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const answer = await beginning(response);
    const status = response.statusCode!;
    const written = response.headers[WRITTEN];
    if (status === 415 || (status < 300 && protocol === 'v2' && written === undefined)) {
      throw new RetinaError(
        'RETINA_EXPORT_REFUSED',
        `${nameOf(url)} does not speak remote write ${TYPES[protocol][1]}`,
        {
          found: status === 415 ? `status 415${answer && `: ${answer}`}` : `no ${WRITTEN} in its answer`,
          next: protocol === 'v2' ? 'set protocol: v1' : 'set protocol: v2',
        },
      );
    }
    if (status >= 200 && status < 300) return written === undefined ? 0 : Math.max(0, samples - Number(written) || 0);
    throw httpFailure(nameOf(url), { status, retryAfter: response.headers['retry-after'], body: answer });
  }

  /** Secrets are read anew: they are renewed in their files. */
  private headers(): Record<string, string> {
    const { protocol, headers, bearerTokenFile, basicAuth } = this.config;
    const [type, version] = TYPES[protocol];
    const secret = (path: string) => content(path).toString().trim();
    const authorization = bearerTokenFile
      ? `Bearer ${secret(bearerTokenFile)}`
      : basicAuth &&
        `Basic ${Buffer.from(`${basicAuth.username}:${secret(basicAuth.passwordFile)}`).toString('base64')}`;
    return {
      ...headers,
      'content-type': type,
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': version,
      'user-agent': 'retina',
      ...(authorization && { authorization }),
    };
  }
}

/** The first bytes of an answer; the rest is not waited for, however long it is. */
async function beginning(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > ANSWER_BYTES) break; // ends the connection
  }
  return Buffer.concat(chunks).toString().trim();
}

/** Without what may be secret. */
function nameOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function content(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RetinaError('RETINA_SOURCE_UNREACHABLE', `the file ${path} cannot be read`, {
      found: (error as Error).message,
      next: 'correct the path, or who may read it; it is tried again',
      retryable: true,
      cause: error,
    });
  }
}
