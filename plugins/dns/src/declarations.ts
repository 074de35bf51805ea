import { z } from 'zod';

/** What the configuration may say. */
export const config = z.strictObject({
  ports: z
    .array(z.int().min(1).max(65_535))
    .min(1)
    .max(4)
    .default([53, 5353])
    .describe('Ports to look at, over UDP and TCP; at most four.'),
  timeoutSeconds: z
    .number()
    .min(0.1)
    .max(60)
    .default(5)
    .describe('A query without an answer for so long counts as unanswered.'),
  queryLabels: z
    .strictObject({
      mode: z
        .enum(['full', 'registrable', 'none'])
        .default('full')
        .describe('The query label: the whole name, the registrable domain it belongs to, or nothing.'),
      allow: z
        .array(z.string().min(1).max(255))
        .max(1000)
        .default([])
        .describe('Names that keep their whole name whatever the mode; * stands for any characters.'),
      maxQueries: z
        .int()
        .min(0)
        .max(20_000)
        .default(1000)
        .describe('Most values of the query label; further ones read "overflow".'),
    })
    .prefault({})
    .describe('How the label query is kept small.'),
  responseLabels: z
    .strictObject({
      mode: z
        .enum(['addresses', 'none'])
        .default('addresses')
        .describe('The response label: the addresses, or nothing.'),
      maxResponses: z
        .int()
        .min(0)
        .max(20_000)
        .default(1000)
        .describe('Most values of the response label; further ones read "overflow".'),
    })
    .prefault({})
    .describe('How the label response is kept small.'),
  learnNames: z
    .boolean()
    .default(true)
    .describe('Remember names by the addresses answered, for endpoints outside the cluster.'),
  readMs: z.int().min(5).max(100).default(80).describe("Milliseconds between two readings of the kernel's ring."),
  ringBytes: z
    .int()
    .min(65_536)
    .max(268_435_456)
    .refine((bytes) => (bytes & (bytes - 1)) === 0, 'must be a power of two')
    .default(8_388_608)
    .describe('Size of the ring for DNS packets, a power of two; 392 bytes for each packet of up to 320.'),
  maxRecordsPerSecond: z
    .int()
    .min(1000)
    .max(10_000_000)
    .default(200_000)
    .describe('Most records each CPU writes per second: bulk data over a DNS port costs no more than that.'),
  maxPending: z
    .int()
    .min(256)
    .max(1_048_576)
    .default(32_768)
    .describe('Most queries that wait for their answer at a time; 72 bytes each.'),
  streams: z
    .strictObject({
      max: z.int().min(16).max(65_536).default(4096).describe('Most TCP connections followed, each way for itself.'),
      bytesEach: z
        .int()
        .min(4096)
        .max(1_048_576)
        .default(65_536)
        .describe('Most bytes kept for one way of one connection.'),
      bytesTotal: z.int().min(65_536).max(268_435_456).default(4_194_304).describe('Most bytes kept for all of them.'),
    })
    .prefault({})
    .describe('What putting TCP streams together may cost.'),
});
export type Config = z.output<typeof config>;

/** Latencies: 61 µs to 16 s, each bound double the last. */
const LATENCY = { scale: 0, from: 2 ** -14, to: 16 } as const;
const QUERY = ['query_type', 'query'] as const;

/** What it counts. */
export const metrics = {
  dns_request_count: { kind: 'counter', help: 'DNS queries, each once, whatever taps it passes.' },
  dns_response_count: { kind: 'counter', help: 'DNS responses, each once, whatever taps it passes.' },
  dns_return_codes_total: { kind: 'counter', help: 'DNS responses by return code.', labels: ['return_code'] },
  dns_latency_seconds: {
    kind: 'histogram', unit: 'seconds', help: 'From a DNS query to its response, where the query was first seen.', buckets: LATENCY,
  }, // prettier-ignore
  dns_unanswered_total: { kind: 'counter', help: 'DNS queries without a response in time.' },
  dns_retries_total: { kind: 'counter', help: 'DNS queries sent again while the first one waited.' },
  dns_unsolicited_responses_total: {
    kind: 'counter',
    help: 'DNS responses to no query seen: late, repeated or forged.',
  },
  dns_truncated_responses_total: { kind: 'counter', help: 'DNS responses that did not fit (TC bit).' },
  dns_untracked_queries_total: {
    kind: 'counter', help: 'DNS queries whose response was not waited for, by cause.', labels: ['cause'],
  }, // prettier-ignore
  dns_pending_queries: { kind: 'gauge', help: 'DNS queries that wait for their response, at every tap.' },
  adv_dns_request_count: {
    kind: 'counter', scope: 'pod', option: 'dns_request_count', help: 'DNS queries, by name and endpoint.', labels: QUERY,
  }, // prettier-ignore
  adv_dns_response_count: {
    kind: 'counter', scope: 'pod', option: 'dns_response_count', help: 'DNS responses, by what they say and endpoint.',
    labels: ['return_code', ...QUERY, 'response', 'num_response'],
  }, // prettier-ignore
  adv_dns_unanswered_total: {
    kind: 'counter', scope: 'pod', option: 'dns_unanswered_total', labels: QUERY,
    help: 'DNS queries without a response in time, by name and endpoint.',
  }, // prettier-ignore
  adv_dns_latency_seconds: {
    kind: 'histogram', scope: 'pod', option: 'dns_latency_seconds', unit: 'seconds', direction: true, buckets: LATENCY,
    help: 'From a DNS query to its response: ingress as the endpoint that asked sees it, egress as the one that answers.',
  }, // prettier-ignore
  dns_tap_packets_total: {
    kind: 'counter',
    help: 'DNS packets at every tap, empty TCP segments aside.',
    labels: ['protocol'],
  },
  dns_missed_packets_total: {
    kind: 'counter', help: 'DNS packets at a tap that were not read, by cause.', labels: ['protocol', 'cause'],
  }, // prettier-ignore
  dns_cut_packets_total: {
    kind: 'counter', help: 'DNS packets at a tap of which only the beginning was read.', labels: ['protocol'],
  }, // prettier-ignore
  dns_tap_messages_total: {
    kind: 'counter', labels: ['protocol', 'outcome'],
    help: 'DNS messages at every tap: counted, a duplicate of one counted at another tap, or malformed.',
  }, // prettier-ignore
  dns_malformed_messages_total: {
    kind: 'counter',
    help: 'DNS messages with a mistake, by what it is.',
    labels: ['cause'],
  },
  dns_stream_dropped_bytes_total: {
    kind: 'counter', unit: 'bytes', help: 'Bytes of DNS over TCP that became no message, by cause.', labels: ['cause'],
  }, // prettier-ignore
  dns_streams: { kind: 'gauge', help: 'TCP connections followed, each way for itself.' },
  dns_stream_buffer_bytes: { kind: 'gauge', unit: 'bytes', help: 'Memory that holds parts of TCP streams.' },
  dns_label_overflow_total: {
    kind: 'counter',
    help: 'Messages whose label reads "overflow", by label.',
    labels: ['label'],
  },
} as const;
