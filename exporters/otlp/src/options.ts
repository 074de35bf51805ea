import { FLOW_FILTER_KEYS } from '@retina/sdk';
import { z } from 'zod';

const file = z.string().min(1);

const endpoint = z
  .string()
  .refine((text) => problemOf(text) === undefined, { error: (issue) => problemOf(String(issue.input)) ?? 'is no URL' });

/** What is wrong with an endpoint, if anything is. */
function problemOf(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text)) return 'must begin with http:// or https://, such as http://collector:4317';
  if (!URL.canParse(text)) return 'is no URL';
  const url = new URL(text);
  if (url.username || url.password) return 'must not hold credentials: use headers or headerFiles';
  if (url.search || url.hash) return 'must end with the path: no query, no fragment';
  return undefined;
}

const RESERVED = /^(grpc-.*|content-type|content-encoding|content-length|host|te|connection|transfer-encoding)$/i;
const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, { error: 'is no header name' })
  .refine((name) => !RESERVED.test(name), { error: 'is set by the protocol itself' });
const headerValue = z.string().regex(/^[\x20-\x7e]*$/, { error: 'must be printable ASCII' });

const filterTerms = z.partialRecord(
  z.enum(FLOW_FILTER_KEYS),
  z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
);

const metrics = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether metrics are sent.'),
    temporality: z
      .enum(['cumulative', 'delta'])
      .default('cumulative')
      .describe('Totals since the series began, or what was added since the last delivery.'),
    naming: z
      .enum(['retina', 'semantic'])
      .default('retina')
      .describe("Names and labels as Prometheus shows them, or OpenTelemetry's semantic conventions and OBI's."),
    exponentialHistograms: z
      .boolean()
      .default(true)
      .describe('Families with exponential bounds as exponential histograms; else as explicit buckets.'),
    pointsPerRequest: z
      .int()
      .min(1)
      .max(20_000)
      .default(1000)
      .describe('Most points in one request. Converting them is one pause of the event loop.'),
    url: endpoint.optional().describe('HTTP only: another URL, path included, than the endpoint with /v1/metrics.'),
  })
  .prefault({})
  .describe('Metrics.');

const flows = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether flow records are sent as log records.'),
    include: z
      .array(filterTerms)
      .default([])
      .describe('Only flows that one of these filters fits; none: all. Terms as in `retina flows`.'),
    exclude: z.array(filterTerms).default([]).describe('Not the flows that one of these filters fits.'),
    aggregate: z
      .enum(['none', 'connection', 'workload'])
      .default('none')
      .describe('Add up the records of one window by connection, or by workloads, server port, direction and verdict.'),
    windowMs: z
      .int()
      .min(100)
      .max(300_000)
      .default(5000)
      .describe('Longest a record waits to be sent or added up, in milliseconds.'),
    batch: z.int().min(1).max(16_384).default(4096).describe('Most records of one window.'),
    url: endpoint.optional().describe('HTTP only: another URL, path included, than the endpoint with /v1/logs.'),
  })
  .prefault({})
  .describe('Flow records as OTLP log records.');

const tls = z
  .strictObject({
    ca: file.optional().describe("File with the certificates to trust; default the system's."),
    cert: file.optional().describe('File with the client certificate (mTLS).'),
    key: file.optional().describe("File with the client certificate's key."),
    serverName: z
      .string()
      .min(1)
      .optional()
      .describe("Name the server's certificate must have, if not the endpoint's."),
    insecureSkipVerify: z.boolean().default(false).describe('Take any server certificate. For trials only.'),
  })
  .refine((t) => (t.cert === undefined) === (t.key === undefined), { error: 'cert and key belong together' })
  .prefault({})
  .describe('TLS, for endpoints that begin with https. Files are read again when they change.');

export const config = z
  .object({
    endpoint: endpoint
      .default('http://localhost:4317')
      .describe('Where the receiver is: https for TLS. HTTP: /v1/metrics and /v1/logs are added.'),
    protocol: z.enum(['grpc', 'http/protobuf', 'http/json']).default('grpc').describe("OTLP's transport and encoding."),
    headers: z
      .record(headerName, headerValue)
      .default({})
      .describe('Headers of every request (gRPC: metadata), such as an API key.'),
    headerFiles: z
      .record(headerName, file)
      .default({})
      .describe('Headers whose values are in files, read again when they change: tokens that rotate.'),
    compression: z.enum(['gzip', 'none']).default('gzip').describe('Compression of requests.'),
    timeoutMs: z.int().min(100).max(300_000).default(10_000).describe('Milliseconds one request may take.'),
    tls,
    resource: z
      .record(z.string().min(1).max(255), z.union([z.string(), z.number(), z.boolean()]))
      .default({})
      .describe("Resource attributes beside, or instead of, the agent's own."),
    metrics,
    flows,
  })
  .refine((c) => c.protocol !== 'grpc' || new URL(c.endpoint).pathname === '/', {
    error: 'gRPC has no path: remove it from the endpoint, or set protocol to http/protobuf',
    path: ['endpoint'],
  })
  .refine((c) => c.metrics.enabled || c.flows.enabled, {
    error: 'nothing would be sent: enable metrics or flows',
    path: ['metrics', 'enabled'],
  });

export type OtlpConfig = z.output<typeof config>;
