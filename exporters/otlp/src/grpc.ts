import {
  type ChannelCredentials,
  Client,
  credentials as grpcCredentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { RetinaError } from '@retina/sdk';
import type { Credentials } from './credentials.ts';
import type { OtlpConfig } from './options.ts';
import { retryDelay } from './retry-info.ts';
import { adviceFor, LONGEST_ANSWER, type Signal, type Transport, unreachable } from './transport.ts';

const METHODS: Readonly<Record<Signal, string>> = {
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
};

/** What OTLP says is worth trying again. Others, RESOURCE_EXHAUSTED too, only where the server says when. */
const PASSING: ReadonlySet<number> = new Set([
  status.CANCELLED, status.DEADLINE_EXCEEDED, status.ABORTED, status.OUT_OF_RANGE, status.UNAVAILABLE, status.DATA_LOSS,
]); // prettier-ignore

const ADVICE: Readonly<Record<number, string>> = {
  [status.UNAUTHENTICATED]: 'check headers, headerFiles and the client certificate',
  [status.PERMISSION_DENIED]: 'check headers, headerFiles and the client certificate',
  [status.UNIMPLEMENTED]: 'check that the endpoint is the gRPC port of an OTLP receiver with this signal enabled',
  [status.RESOURCE_EXHAUSTED]: "lower metrics.pointsPerRequest or flows.batch, or raise the receiver's limits",
};

const GZIP = 2; // CompressionAlgorithms.gzip, whose enum cannot be imported by name

const bytes = (body: Buffer): Buffer => body;

/**
 * OTLP over gRPC: both signals share one connection. One that failed is dropped: when to try the next is the host's to say, and the
 * library would go on by itself.
 */
export class GrpcTransport implements Transport {
  private readonly config: OtlpConfig;
  private readonly receiver: string;
  private client: Client | undefined;
  private madeFor: Credentials | undefined;

  constructor(config: OtlpConfig) {
    this.config = config;
    this.receiver = new URL(config.endpoint).origin;
  }

  send(signal: Signal, body: Uint8Array, credentials: Credentials, abort: AbortSignal): Promise<Uint8Array> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(credentials.headers)) metadata.set(name.toLowerCase(), value);
    const deadline = Date.now() + this.config.timeoutMs;
    const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    return new Promise((resolve, reject) => {
      const client = this.clientFor(credentials);
      const call = client.makeUnaryRequest(
        METHODS[signal], bytes, bytes, buffer, metadata, { deadline },
        (error, answer) => {
          abort.removeEventListener('abort', cancel);
          if (!error) return resolve(answer ?? new Uint8Array());
          if (error.code === status.UNAVAILABLE && client === this.client) this.close();
          reject(abort.aborted ? (abort.reason as Error) : this.failure(error));
        },
      ); // prettier-ignore
      const cancel = () => call.cancel();
      if (abort.aborted) cancel();
      else abort.addEventListener('abort', cancel, { once: true });
    });
  }

  close(): void {
    this.client?.close();
    this.client = undefined;
  }

  private clientFor(credentials: Credentials): Client {
    if (this.client && this.madeFor === credentials) return this.client;
    this.close();
    this.madeFor = credentials;
    const { endpoint, compression, tls } = this.config;
    const url = new URL(endpoint);
    const secure = url.protocol === 'https:';
    this.client = new Client(addressOf(url), this.channel(secure, credentials), {
      'grpc.max_receive_message_length': LONGEST_ANSWER,
      'grpc.primary_user_agent': 'retina',
      'grpc.initial_reconnect_backoff_ms': 100, // what is left of a connection that was dropped
      'grpc.keepalive_time_ms': 60_000,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1, // two instances with different certificates share nothing
      ...(compression === 'gzip' && { 'grpc.default_compression_algorithm': GZIP }),
      ...(tls.serverName && {
        'grpc.ssl_target_name_override': tls.serverName,
        'grpc.default_authority': tls.serverName,
      }),
    });
    return this.client;
  }

  private channel(secure: boolean, { ca, cert, key }: Credentials): ChannelCredentials {
    if (!secure) return grpcCredentials.createInsecure();
    return grpcCredentials.createSsl(ca ?? null, key ?? null, cert ?? null, {
      rejectUnauthorized: !this.config.tls.insecureSkipVerify,
    });
  }

  private failure(error: ServiceError): RetinaError {
    const { receiver } = this;
    const name = status[error.code] ?? String(error.code);
    const found = `${name}: ${error.details.slice(0, 300)}`.replace(/[\s\p{Cc}]+/gu, ' ').toWellFormed();
    const retryAfterMs = retryDelay(error.metadata?.get('grpc-status-details-bin')[0]);
    if (retryAfterMs !== undefined) {
      return new RetinaError('RETINA_EXPORT_RETRY', `${receiver} cannot take it now`, {
        found,
        retryable: true,
        retryAfterMs,
        cause: error,
      });
    }
    if (PASSING.has(error.code)) return unreachable(receiver, found, adviceFor(error.details), error);
    return new RetinaError('RETINA_EXPORT_REFUSED', `${receiver} refuses what is sent`, {
      found,
      next: ADVICE[error.code] ?? 'look at what the receiver says',
      cause: error,
    });
  }
}

function addressOf(url: URL): string {
  return `dns:${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}
