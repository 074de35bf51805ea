import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import {
  API,
  defineExporter,
  type Exporter,
  type FlowBatch,
  httpFailure,
  type MetricReader,
  type Sink,
} from '@retina/sdk';
import { z } from 'zod';
import { seriesIn } from '../../src/contract/contract-source.ts';
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

/** Sends what a push says; `to` posts. */
export type Push = (body: string, signal: AbortSignal, to: (body: string, signal?: AbortSignal) => Promise<void>) => Promise<void>; // prettier-ignore

/** How it is right. */
export const pushAll: Push = (body, signal, to) => to(body, signal);

/** An exporter of metrics to a web server, right but for what `push` gets wrong. */
export function metricWebhook(push: Push): Exporter {
  return defineExporter({
    name: 'metric-webhook',
    api: API,
    description: 'Sends a line for each series to a web server.',
    stability: 'experimental',
    config,
    setup(ctx) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      ctx.defer(() => agent.destroy());
      return {
        metrics: (reader, signal) => push(seriesOf(reader), signal, (body, own) => post(agent, ctx.config.url, body, own)),
      };
    },
  });
} // prettier-ignore

function seriesOf(reader: MetricReader): string {
  let lines = '';
  for (const family of reader.families()) {
    for (let i = 0; i < family.size; i++) {
      if (family.live(i)) lines += `${family.name} ${family.labels.map((_, j) => family.label(i, j)).join()}\n`;
    }
  }
  return lines;
}

export const metricReceiver = httpReceiver({ options: (url) => ({ url }), count: seriesIn });

export const receiver = httpReceiver({
  options: (url) => ({ url }),
  count: (body) => body.toString().split('\n').length - 1,
});
