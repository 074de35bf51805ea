import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { API, defineExporter, type Exporter, type FlowBatch, httpFailure, type Sink } from '@retina/sdk';
import { z } from 'zod';
import { httpReceiver } from '../../src/contract/receiver.ts';

const config = z.object({ url: z.string().default('http://127.0.0.1:1').describe('Where records go.') });

/** One request; throws what the contract asks for. */
export async function post(agent: Agent, url: string, body: string, signal?: AbortSignal): Promise<void> {
  const asked = request(url, { agent, method: 'POST', ...(signal && { signal }) });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  const status = response.statusCode!;
  if (status >= 300) throw httpFailure(url, { status, retryAfter: response.headers['retry-after'] });
}

/** A line for each record. */
export const linesOf = (batch: FlowBatch): string =>
  Array.from({ length: batch.length }, (_, row) => `${batch.sourcePort(row)}\n`).join('');

export type Send = (batch: FlowBatch, signal: AbortSignal, post: (body: string, signal?: AbortSignal) => Promise<void>) => ReturnType<NonNullable<Sink['flows']>>; // prettier-ignore

/** How it is right. */
export const sendAll: Send = (batch, signal, to) => to(linesOf(batch), signal);

/** An exporter to a web server, right but for what `send` gets wrong. */
export function webhook(send: Send): Exporter {
  return defineExporter({
    name: 'webhook',
    api: API,
    description: 'Sends a line for each flow record to a web server.',
    stability: 'experimental',
    config,
    setup(ctx) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      ctx.defer(() => agent.destroy());
      return {
        flows: (batch, signal) => send(batch, signal, (body, own) => post(agent, ctx.config.url, body, own)),
      };
    },
  });
}

export const receiver = httpReceiver({
  options: (url) => ({ url }),
  count: (body) => body.toString().split('\n').length - 1,
});
