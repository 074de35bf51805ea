import { Agent, request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { API, defineExporter, httpFailure, type Exporter, type FlowBatch, type Sink } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { exporterContract } from './exporter-contract.ts';
import { exporterRules } from './exporter-rules.ts';
import { httpReceiver } from './receiver.ts';

const config = z.object({ url: z.string().default('http://127.0.0.1:1').describe('Where records go.') });

/** One request; throws what the contract asks for. */
async function post(agent: Agent, url: string, body: string, signal?: AbortSignal): Promise<void> {
  const asked = request(url, { agent, method: 'POST', ...(signal && { signal }) });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  const status = response.statusCode!;
  if (status >= 300) throw httpFailure(url, { status, retryAfter: response.headers['retry-after'] });
}

const linesOf = (batch: FlowBatch) =>
  Array.from({ length: batch.length }, (_, row) => `${batch.sourcePort(row)}\n`).join('');

type Send = (batch: FlowBatch, signal: AbortSignal, post: (body: string, signal?: AbortSignal) => Promise<void>) => ReturnType<NonNullable<Sink['flows']>>; // prettier-ignore

/** An exporter to a web server, right but for what `send` gets wrong. */
function webhook(send: Send): Exporter {
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

const receiver = httpReceiver({
  options: (url) => ({ url }),
  count: (body) => body.toString().split('\n').length - 1,
});

exporterContract(
  webhook((batch, signal, to) => to(linesOf(batch), signal)),
  { receiver },
);

async function broken(send: Send, rule: RegExp): Promise<string> {
  const found = exporterRules(webhook(send), { receiver }).find(({ name }) => rule.test(name))!;
  return (async () => found.check())().then(
    () => 'nothing',
    (error: Error) => error.message,
  );
}

describe('the contract of exporters finds a sink that', () => {
  it('swallows what goes wrong', async () => {
    const send: Send = (batch, signal, to) => to(linesOf(batch), signal).catch(() => undefined);
    expect(await broken(send, /refused for good/)).toMatch(/counted as delivered, the receiver took 0/);
    expect(await broken(send, /now and then/)).toMatch(/but 5000 are counted as delivered/);
  });

  it('sends what is refused again', async () => {
    const send: Send = async (batch, signal, to) => {
      await to(linesOf(batch), signal).catch(() => to(linesOf(batch), signal));
    };
    expect(await broken(send, /refused for good/)).toMatch(/sent again/);
  });

  it('sends a part twice', async () => {
    const send: Send = async (batch, signal, to) => {
      await to(`${batch.sourcePort(0)}\n`, signal);
      await to(linesOf(batch), signal);
    };
    expect(await broken(send, /delivers every/)).toMatch(/some of them twice/);
  });

  it('leaves a part out without a word', async () => {
    const send: Send = (batch, signal, to) => to(linesOf(batch).replace(/^\d+\n/, ''), signal);
    expect(await broken(send, /delivers every/)).toMatch(/took 4990 records, but 5000/);
  });

  it('takes a receiver in trouble for one that refuses', async () => {
    const send: Send = (batch, signal, to) =>
      to(linesOf(batch), signal).catch(() => Promise.reject(httpFailure('r', { status: 400 })));
    expect(await broken(send, /busy/)).toMatch(/"refused":\d+/);
  });

  it('does not end its request when its signal says so', async () => {
    const mine = new Agent({ keepAlive: true });
    const send: Send = (batch) => post(mine, (hangingUrl ??= 'http://127.0.0.1:1'), linesOf(batch));
    const there = await receiver();
    hangingUrl = there.options['url'] as string;
    there.behave('hang');
    const rules = exporterRules(webhook(send), { receiver: () => Promise.resolve({ ...there, options: there.options, behave: () => undefined, offered: 0, accepted: 0, [Symbol.asyncDispose]: () => Promise.resolve() }) }); // prettier-ignore
    const rule = rules.find(({ name }) => /never answers/.test(name))!;
    await expect((async () => rule.check())()).rejects.toThrow(/left behind: \d+ × connection/);
    mine.destroy();
    await there[Symbol.asyncDispose]();
  });
});

let hangingUrl: string | undefined;

describe('the contract of exporters finds', () => {
  const failing = async (exporter: Exporter, rule: RegExp) => {
    const found = exporterRules(exporter).find(({ name }) => rule.test(name))!;
    return (async () => found.check())().then(
      () => 'nothing',
      (error: Error) => error.message,
    );
  };
  const good = webhook(() => undefined);

  it('an option that the host reads', async () => {
    const exporter = { ...good, config: z.object({ push: z.string().default('').describe('Mine.') }) };
    expect(await failing(exporter, /manifest/)).toMatch(/"push" is read by the host/);
  });

  it('an exporter that can run only once', async () => {
    let running = 0;
    const setup: Exporter['setup'] = (ctx) => {
      if (running++ > 0) throw new Error('it runs already');
      ctx.defer(() => void running--);
    };
    expect(await failing({ ...good, setup }, /more than once/)).toMatch(/it runs already/);
  });

  it('a sink that values nobody should send bring to its end', async () => {
    const setup: Exporter['setup'] = () => ({
      flows(batch) {
        for (let row = 0; row < batch.length; row++) BigInt(batch.bytes(row)); // NaN is no BigInt
      },
    });
    expect(await failing({ ...good, setup }, /nobody should send/)).toMatch(/its sink threw RangeError/);
  });
});
