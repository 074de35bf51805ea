import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { attributes, type Received } from './collector.ts';

export interface Request {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}
export type Answer = (request: Request, response: ServerResponse, n: number) => void;

/** An OTLP receiver by HTTP that answers as it is told. */
export class HttpReceiver implements AsyncDisposable {
  readonly requests: Request[] = [];
  private readonly server: HttpServer;

  private constructor(server: HttpServer) {
    this.server = server;
  }

  static async start(answer: Answer): Promise<HttpReceiver> {
    const server = createServer();
    const receiver = new HttpReceiver(server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
        const seen = { path: request.url ?? '', headers: request.headers, body: plain };
        receiver.requests.push(seen);
        answer(seen, response, receiver.requests.length);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  /** By series of JSON requests: the sum of what was sent, of requests numbered `accepted` or all. */
  sums(accepted: (n: number) => boolean = () => true): Map<string, number> {
    const sums = new Map<string, number>();
    for (const [i, { body }] of this.requests.entries()) {
      if (!accepted(i + 1)) continue;
      for (const { metric, point } of pointsOf(JSON.parse(body.toString()) as Received)) {
        const key = `${metric['name']} ${Object.values(attributes(point['attributes'])).join()}`;
        sums.set(key, (sums.get(key) ?? 0) + (point['asDouble'] as number));
      }
    }
    return sums;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

export function pointsOf(request: Received): { metric: Received; point: Received }[] {
  return (request['resourceMetrics'] as Received[]).flatMap((rm) =>
    (rm['scopeMetrics'] as Received[]).flatMap((sm) =>
      (sm['metrics'] as Received[]).flatMap((metric) => {
        const data = (metric['sum'] ??
          metric['gauge'] ??
          metric['histogram'] ??
          metric['exponentialHistogram']) as Received;
        return (data['dataPoints'] as Received[]).map((point) => ({ metric, point }));
      }),
    ),
  );
}

export type GrpcAnswer =
  Buffer | { readonly code: number; readonly message: string; readonly details?: Buffer } | 'silence';

/** An OTLP receiver by gRPC that answers as it is told, with raw bytes. */
export class GrpcReceiver implements AsyncDisposable {
  readonly calls: { metadata: Record<string, unknown>; cancelled: () => boolean }[] = [];
  private readonly server: Server;
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.port = port;
  }

  static async start(answer: (n: number, body: Buffer) => GrpcAnswer): Promise<GrpcReceiver> {
    const server = new Server();
    let receiver: GrpcReceiver | undefined = undefined as GrpcReceiver | undefined;
    for (const signal of ['Metrics', 'Logs']) {
      const path = `/opentelemetry.proto.collector.${signal.toLowerCase()}.v1.${signal}Service/Export`;
      const bytes = (body: Buffer) => body;
      server.addService(
        { Export: { path, requestStream: false, responseStream: false, requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes } },
        {
          Export: (call: { metadata: Metadata; cancelled: boolean; request: Buffer }, done: (e: Partial<ServiceError> | null, a?: Buffer) => void) => {
            receiver!.calls.push({ metadata: call.metadata.getMap(), cancelled: () => call.cancelled });
            const said = answer(receiver!.calls.length, call.request);
            if (said === 'silence') return;
            if (Buffer.isBuffer(said)) return done(null, said);
            const metadata = new Metadata();
            if (said.details) metadata.set('grpc-status-details-bin', said.details);
            done({ code: said.code, details: said.message, metadata });
          },
        },
      ); // prettier-ignore
    }
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    receiver = new GrpcReceiver(server, port);
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.server.forceShutdown();
    return Promise.resolve();
  }
}

export { status };

/** Protobuf: one length-delimited field. */
export function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** A google.rpc.Status with a RetryInfo of so many seconds (below 128). */
export function retryInfo(seconds: number): Buffer {
  const duration = Buffer.from([0x08, seconds]);
  const any = Buffer.concat([field(1, 'type.googleapis.com/google.rpc.RetryInfo'), field(2, field(1, duration))]);
  return Buffer.concat([Buffer.from([0x08, 8]), field(2, 'slow down'), field(3, any)]);
}
