import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  linesOf,
  metricReceiver,
  metricWebhook,
  pushAll,
  receiver,
  type Send,
  sendAll,
  webhook,
} from '../../test/broken/webhook.ts';
import { exporterContract } from './exporter-contract.ts';
import { exporterRules } from './exporter-rules.ts';

exporterContract(webhook(sendAll), { receiver });
exporterContract(metricWebhook(pushAll), { metricReceiver });

async function broken(send: Send, rule: RegExp): Promise<string> {
  const found = exporterRules(webhook(send), { receiver }).find(({ name }) => rule.test(name))!;
  return (async () => found.check())().then(
    () => 'nothing',
    (error: Error) => error.message,
  );
}

describe('the contract of exporters finds', () => {
  it('a sink that swallows what goes wrong', async () => {
    const send: Send = (batch, signal, to) => to(linesOf(batch), signal).catch(() => undefined);
    expect(await broken(send, /refused for good/)).toMatch(/counted as delivered, the receiver took 0/);
  });

  it('a sink that leaves a part out without a word', async () => {
    const send: Send = (batch, signal, to) => to(linesOf(batch).replace(/^\d+\n/, ''), signal);
    expect(await broken(send, /delivers every/)).toMatch(/took 4990 records, but 5000/);
  });

  it('an option that the host reads', async () => {
    const exporter = { ...webhook(sendAll), config: z.object({ push: z.string().default('').describe('Mine.') }) };
    const rule = exporterRules(exporter).find(({ name }) => /manifest/.test(name))!;
    await expect((async () => rule.check())()).rejects.toThrow(/"push" is read by the host/);
  });
});
