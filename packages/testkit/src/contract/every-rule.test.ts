import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Exporter, httpFailure, type Plugin } from '@retina/sdk';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import fine from '../../test/broken/fine.ts';
import {
  linesOf,
  metricReceiver,
  metricWebhook,
  post,
  pushAll,
  receiver,
  sendAll,
  webhook,
} from '../../test/broken/webhook.ts';
import { type ExporterContractOptions, exporterRules } from './exporter-rules.ts';
import { pluginRules } from './plugin-rules.ts';
import type { Rule } from './rule.ts';

/** What is left behind on purpose. */
const left = new DisposableStack();
afterAll(() => left.dispose());

async function verdict(rules: readonly Rule[], name: string): Promise<string> {
  const { check } = rules.find((rule) => rule.name === name)!;
  return (async () => check())().then(
    () => 'kept',
    ({ message }: Error) => message,
  );
}

const plugin = (change: Partial<Plugin>): Plugin => ({ ...(fine as unknown as Plugin), ...change });
const starting = (setup: Plugin['setup']): Plugin => plugin({ setup });
const interval = () => {
  const timer = setInterval(() => undefined, 1000);
  left.defer(() => clearInterval(timer));
  return timer;
};

/** By rule: a plugin that breaks it, and what is said. */
const PLUGINS: Readonly<Record<string, readonly [broken: () => Plugin, said: RegExp]>> = {
  'its manifest is right': [() => plugin({ name: 'No Name' }), /"No Name"/],
  'its metrics are named and declared by the rules': [
    () => plugin({ metrics: { looks: { kind: 'counter', help: 'How often it looked.' } } }),
    /a counter ends in _total/,
  ],
  'its options round-trip, are described, and wrong ones are refused': [
    () => plugin({ config: z.object({ pollMs: z.int().default(20) }) }),
    /pollMs has no description/,
  ],
  'starts, stops, and leaves nothing behind': [() => starting(() => void interval()), /left behind: 1 × timer/],
  'can be stopped while it starts': [
    () =>
      starting(async (ctx) => {
        await sleep(5);
        const timer = interval();
        ctx.signal.addEventListener('abort', () => clearInterval(timer)); // nobody is told of an abort that was
      }),
    /left behind: 1 × timer/,
  ],
  'leaves nothing behind when setup fails half-way, wherever that is': [
    () =>
      starting((ctx) => {
        const timer = interval();
        ctx.every(1000, () => undefined); // may throw, and then nobody knows of the timer
        ctx.defer(() => clearInterval(timer));
      }),
    /call 1 to the host failed: left behind/,
  ],
  'takes what the kernel gave once, without an error and with possible values': [
    () => starting(({ metrics }) => (metrics['looks_total'] as { add(value: number): void }).add(Infinity)),
    /became Infinity/,
  ],
  'survives values nobody should send': [
    () =>
      starting((ctx) =>
        ctx.netlink.subscribe(12, [1], (messages) => {
          for (const { payload } of messages) new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);
        }) as unknown as void), // prettier-ignore
    /calls of its handlers threw/,
  ],
  'is the same after twenty restarts': [
    () => {
      let starts = 0;
      return starting(() => {
        if (++starts > 15) throw new Error('too often');
      });
    },
    /too often/,
  ],
};

/** By rule: an exporter that breaks it, what is said, and options of the suite that it takes to see it. */
const EXPORTERS: Readonly<Record<string, readonly [broken: () => Exporter, said: RegExp, settings?: ExporterContractOptions]>> = {
  'its manifest is right': [() => ({ ...webhook(sendAll), name: 'No Name' }), /"No Name"/],
  'its options round-trip, are described, and wrong ones are refused': [
    () => ({ ...webhook(sendAll), config: z.object({ url: z.string().default('x') }) }),
    /url has no description/,
  ],
  'exports every kind of family, and texts, values and records nobody should send, without an error': [
    // NaN is no BigInt.
    () => webhook((batch) => void Array.from({ length: batch.length }, (_, row) => BigInt(batch.bytes(row)))),
    /its sink threw RangeError/,
  ],
  'starts, stops twice, starts again, and leaves nothing behind': [
    () => ({
      ...webhook(sendAll),
      async setup() {
        const server = createServer().listen(0, '127.0.0.1');
        left.defer(() => void server.close());
        await once(server, 'listening');
      },
    }),
    /left behind: \d+ × listening socket/,
  ],
  'leaves nothing behind when setup fails half-way, wherever that is': [
    () => ({
      ...webhook(sendAll),
      setup(ctx) {
        const timer = interval();
        ctx.every(1000, () => undefined);
        ctx.defer(() => clearInterval(timer));
      },
    }),
    /call 1 to the host failed: left behind/,
  ],
  'runs more than once at a time, under several names': [
    () => {
      let running = 0;
      return {
        ...webhook(sendAll),
        setup(ctx) {
          if (running++ > 0) throw new Error('it runs already');
          ctx.defer(() => void running--);
        },
      };
    },
    /it runs already/,
  ],
  'fails with a code of its own where its options cannot be met': [
    () => ({
      ...webhook(sendAll),
      setup(ctx) {
        if (ctx.config['url'] === 'gone') throw new Error('ENOTFOUND');
      },
    }),
    /RETINA_SETUP_FAILED/,
    { unmet: [{ url: 'gone' }] },
  ],
  'delivers every flow record once': [
    () => webhook(async (batch, signal, to) => {
      await to(`${batch.sourcePort(0)}\n`, signal);
      await to(linesOf(batch), signal);
    }),
    /some of them twice/,
    { receiver },
  ],
  'loses nothing and sends nothing twice when its receiver fails now and then': [
    () => webhook((batch, signal, to) => to(linesOf(batch), signal).catch(() => undefined)),
    /but 5000 are counted as delivered/,
    { receiver },
  ],
  'waits for a receiver that is busy, and loses nothing': [
    () => webhook((batch, signal, to) => to(linesOf(batch), signal).catch(() => Promise.reject(httpFailure('r', { status: 400 })))),
    /"refused":\d+/,
    { receiver },
  ],
  'counts what is refused for good as lost, says so, and does not send it again': [
    () => webhook((batch, signal, to) => to(linesOf(batch), signal).catch(() => to(linesOf(batch), signal))),
    /sent again/,
    { receiver },
  ],
  'ends in time and counts everything when its receiver never answers, and leaves nothing behind': [
    () => {
      const mine = new Agent({ keepAlive: true });
      left.defer(() => mine.destroy());
      return { ...webhook(sendAll), setup: (ctx) => ({ flows: (batch) => post(mine, String(ctx.config['url']), linesOf(batch)).catch(() => undefined) }) };
    },
    /left behind: \d+ × connection/,
    { receiver: deaf },
  ],
  'rules about the loss of flow records do not apply: its sink is handed none': [
    () => webhook(sendAll),
    /its sink has "flows": give the suite a "receiver"/,
  ],
  'delivers every series with every push, once': [
    () => metricWebhook(async (body, signal, to) => {
      await to(body, signal);
      await to(body, signal);
    }),
    /series in \d+ pushes of 200/,
    { metricReceiver },
  ],
  'delivers metrics all the same when its receiver fails now and then': [
    () => metricWebhook((body, signal, to) => to(body, signal).catch(() => undefined)),
    /count as delivered, but the receiver took/,
    { metricReceiver },
  ],
  'waits for a receiver of metrics that is busy': [
    () => metricWebhook((body, signal, to) => to(body, signal).catch(() => Promise.reject(httpFailure('r', { status: 400 })))),
    /refused for good, and the receiver was busy/,
    { metricReceiver },
  ],
  'says that metrics are refused for good, and does not send them again before their time': [
    () => metricWebhook((body, signal, to) => to(body, signal).catch(() => Promise.reject(httpFailure('r', { status: 503 })))),
    /throw RETINA_EXPORT_REFUSED/,
    { metricReceiver },
  ],
  'ends in time when its receiver of metrics never answers, and leaves nothing behind': [
    () => {
      const mine = new Agent({ keepAlive: true });
      left.defer(() => mine.destroy());
      return { ...metricWebhook(pushAll), setup: (ctx) => ({ metrics: () => post(mine, String(ctx.config['url']), 'x').catch(() => undefined) }) };
    },
    /left behind: \d+ × connection/,
    { metricReceiver: deaf },
  ],
  'rules about the loss of metrics do not apply: its sink is handed none': [
    () => metricWebhook(pushAll),
    /its sink has "metrics": give the suite a "metricReceiver"/,
  ],
}; // prettier-ignore

/** One that never answers and whose end nobody sees: connections to it are the exporter's to close. */
async function deaf(): ReturnType<typeof receiver> {
  const there = await receiver();
  left.defer(() => void there[Symbol.asyncDispose]());
  there.behave('hang');
  return { options: there.options, behave: () => undefined, offered: 0, accepted: 0, [Symbol.asyncDispose]: () => Promise.resolve() }; // prettier-ignore
}

describe('every rule for plugins', () => {
  it('has one here that breaks it', () =>
    expect(Object.keys(PLUGINS)).toEqual(pluginRules(plugin({})).map(({ name }) => name)));

  it.each(Object.entries(PLUGINS))('%s: is seen broken', async (name, [broken, said]) => {
    expect(await verdict(pluginRules(plugin({})), name)).toBe('kept');
    expect(await verdict(pluginRules(broken()), name)).toMatch(said);
  });
});

describe('every rule for exporters', () => {
  it('has one here that breaks it', () => {
    const rules = [{}, { receiver, metricReceiver }].flatMap((settings) => exporterRules(webhook(sendAll), settings));
    expect(new Set(Object.keys(EXPORTERS))).toEqual(new Set(rules.map(({ name }) => name)));
  });

  it.each(Object.entries(EXPORTERS))(
    '%s: is seen broken',
    async (name, [broken, said, settings]) => {
      expect(await verdict(exporterRules(broken(), settings), name)).toMatch(said);
    },
    60_000,
  );
});
