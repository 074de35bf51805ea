import { API, defineExporter, httpFailure, RetinaError, Verdict } from '@retina/sdk';
import { z } from 'zod';

export default defineExporter({
  name: 'drop-webhook',
  api: API,
  description: 'Tells a webhook which connections lose packets.',
  stability: 'experimental',
  config: z.strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('Where to post to: anything that takes {"text": …}, as chat services do.'),
    most: z.int().min(1).max(1000).default(20).describe('Connections named in one message; further ones are summed.'),
  }),
  setup(ctx) {
    const { url, most } = ctx.config;
    const { host } = new URL(url); // the rest of the address is a secret
    return {
      // The host queues, batches, waits, tries again and counts what is lost. A sink delivers, or throws.
      async flows(batch, signal) {
        const lines: string[] = [];
        let others = 0;
        for (let row = 0; row < batch.length; row++) {
          if (batch.verdict(row) !== Verdict.DROPPED) continue;
          if (lines.length === most) others += batch.packets(row);
          else {
            const { source, destination, IP, drop_reason_desc: reason = 'unknown' } = ctx.flows.json(batch, row);
            const from = source.pod_name ?? IP.source;
            const to = destination.pod_name ?? IP.destination;
            lines.push(`${from} → ${to}: ${batch.packets(row)} packets (${reason})`);
          }
        }
        if (lines.length === 0) return;
        if (others) lines.push(`others: ${others} packets`);
        const body = JSON.stringify({ text: lines.join('\n') });
        // The connection is closed with the answer: nothing of it outlives the exporter.
        const headers = { 'content-type': 'application/json', connection: 'close' };
        const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' }).catch((cause: Error) => {
          throw new RetinaError('RETINA_EXPORT_RETRY', `${host} does not answer`, { found: (cause.cause as Error | undefined)?.message ?? cause.message, retryable: true });
        });
        await response.body?.cancel(); // an answer without end is not read
        if (!response.ok) throw httpFailure(host, { status: response.status, retryAfter: response.headers.get('retry-after') });
      },
    };
  },
}); // prettier-ignore
