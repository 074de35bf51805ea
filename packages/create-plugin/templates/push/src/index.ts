import { API, defineExporter } from '@retina/sdk';
import { z } from 'zod';
import { Receiver } from './deliver.ts';
import { linesOf } from './lines.ts';

export default defineExporter({
  name: 'my-thing',
  api: API,
  description: 'Posts every metric as lines of JSON.',
  stability: 'experimental',
  config: z.strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .default('http://127.0.0.1:8080/')
      .describe('Where to post to.'),
    token: z.string().min(1).optional().describe('Sent as a bearer token.'),
    batchLines: z.int().min(1).max(100_000).default(5000).describe('Lines in one request.'),
  }),
  setup(ctx) {
    const { url, token, batchLines } = ctx.config;
    const receiver = ctx.use(new Receiver(url, token)); // the host disposes of it, also when setup fails half-way
    ctx.serves(url);
    // Interval, queue, retries with growing pauses, time-out and loss counters are the host's: a sink delivers or throws.
    return {
      async metrics(reader, signal) {
        for (const lines of linesOf(reader, batchLines)) await receiver.deliver(lines, signal);
      },
    };
  },
});
