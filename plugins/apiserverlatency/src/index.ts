import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';
import { apiOpenedLayout } from './apiserverlatency.gen.ts';
import { Connections } from './connections.ts';
import { Servers } from './servers.ts';

const OBJECT = new URL('../dist/apiserverlatency.bpf.o', import.meta.url);
/** The original's: 0.5 ms, 1.5 ms, … 63.5 ms. */
const BUCKETS = Array.from({ length: 64 }, (_, i) => 0.5 + i);
/** Numbers per histogram in the kernel: buckets, the one beyond, the sum. */
const COUNTS = BUCKETS.length + 1;
const WIDTH = COUNTS + 1;
const UNMEASURED = ['repeated', 'no_room'] as const;

export default definePlugin({
  name: 'apiserverlatency',
  api: API,
  description:
    'How long the Kubernetes API server takes to acknowledge what this node sends, and what it leaves unanswered.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config: z.strictObject({
    intervalMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(1000)
      .describe('Milliseconds between two readings of the histograms.'),
    noResponseMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(5000)
      .describe('Milliseconds after which a connection attempt or a segment counts as not answered.'),
    maxConnections: z
      .int()
      .min(64)
      .max(1_048_576)
      .default(16_384)
      .describe('Connections to API servers followed at a time.'),
  }),
  metrics: {
    adv_node_apiserver_latency: {
      kind: 'histogram', unit: 'milliseconds', buckets: BUCKETS,
      help: 'Time from a segment to the API server to its acknowledgement, handshakes included.',
    },
    adv_node_apiserver_tcp_handshake_latency: {
      kind: 'histogram', unit: 'milliseconds', buckets: BUCKETS, help: 'Time from SYN to SYN-ACK of connections to the API server.',
    },
    adv_node_apiserver_no_response: {
      kind: 'counter', help: 'Connection attempts and segments the API server did not answer in time.', labels: ['no_response'],
    },
    apiserver_unmeasured_total: {
      kind: 'counter', help: 'Requests to the API server in no histogram, and connections to it that were not followed, by cause.',
      labels: ['cause'],
    },
    apiserver_addresses: { kind: 'gauge', help: 'Addresses of the API server that are looked for.' },
    apiserver_connections: { kind: 'gauge', help: 'Connections to the API server followed at the moment.' },
  }, // prettier-ignore
  async setup(ctx) {
    const { noResponseMs, maxConnections, intervalMs } = ctx.config;
    const object = await ctx.bpf(OBJECT, {
      constants: { no_response_ns: BigInt(noResponseMs) * 1_000_000n },
      maxEntries: { api_connections: maxConnections },
    });
    const connections = new Connections(object, maxConnections, noResponseMs * 1e6);
    const servers = new Servers(object);
    const noResponse = ctx.label('no_response');
    const causes = UNMEASURED.map((cause) => ctx.label(cause));
    ctx.metrics.adv_node_apiserver_no_response.add(0, noResponse);

    ctx.use(
      ctx.apiServers.watch((list) => {
        const refused = servers.set(list);
        ctx.metrics.apiserver_addresses.set(servers.size);
        if (list.length === 0) ctx.log.info('no address of the API server is known; give some in apiServers');
        if (refused > 0)
          ctx.log.warn('more addresses of the API server than are looked for', {
            left_out: refused,
            most: Servers.most,
          });
      }),
    );
    object.stream('api_opened', apiOpenedLayout, (batch) => {
      const refused = connections.add(batch);
      if (refused > 0) ctx.metrics.apiserver_unmeasured_total.add(refused, ctx.label('not_watched'));
    });
    ctx.use(ctx.taps.attach(object, { name: 'apiserverlatency' }));

    const read = () => {
      const { adv_node_apiserver_latency, adv_node_apiserver_tcp_handshake_latency, apiserver_unmeasured_total } =
        ctx.metrics;
      const histograms = object.counters('api_latency');
      for (const [i, family] of [adv_node_apiserver_latency, adv_node_apiserver_tcp_handshake_latency].entries()) {
        const at = i * WIDTH;
        family.set(histograms.subarray(at, at + COUNTS), histograms[at + COUNTS]! / 1e6);
      }
      const unmeasured = object.counters('api_unmeasured');
      causes.forEach((cause, i) => apiserver_unmeasured_total.set(unmeasured[i]!, cause));
    };
    ctx.every(intervalMs, read);
    // The kernel keeps an unanswered request for as long again as it was waited for: time enough to find it.
    ctx.every(Math.min(1000, noResponseMs / 4), async () => {
      ctx.metrics.adv_node_apiserver_no_response.add(await connections.sweep(ctx.signal), noResponse);
      ctx.metrics.apiserver_connections.set(connections.size);
    });
    read();
  },
});
