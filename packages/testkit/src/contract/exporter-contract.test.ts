import { createServer } from 'node:http';
import { API, defineExporter, type Exporter, type Sink } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { seriesIn } from './contract-source.ts';
import { exporterContract } from './exporter-contract.ts';
import { type ExporterContractOptions, exporterRules } from './exporter-rules.ts';
import type { ContractReceiver } from './receiver.ts';

const seen = { families: 0, series: 0, flows: 0, flushed: 0 };

/** A push exporter that keeps to the contract. */
const good = defineExporter({
  name: 'good',
  api: API,
  description: 'Reads everything and throws it away.',
  stability: 'experimental',
  config: z.object({ target: z.string().default('nowhere').describe('Where it would go.') }),
  setup(ctx): Sink {
    ctx.every(50, () => void ctx.health());
    return {
      async metrics(reader) {
        await Promise.resolve();
        for (const family of reader.families()) {
          for (let i = 0; i < family.size; i++) {
            if (!family.live(i)) continue;
            const texts = family.labels.map((_, j) => family.label(i, j));
            seen.series += seriesIn(Buffer.from(texts.join()));
          }
          seen.families++;
        }
      },
      flows: (batch) => void (seen.flows += batch.length),
      flush: async () => void (await Promise.resolve(seen.flushed++)),
    };
  },
});

/** The other end of one that throws everything away: whatever came was taken. */
const nowhere = (count: 'flows' | 'series') => (): Promise<ContractReceiver> => {
  const before = seen[count];
  const taken = () => seen[count] - before;
  return Promise.resolve({
    options: {}, behaviours: ['accept'], behave: () => undefined,
    get offered() { return taken(); },
    get accepted() { return taken(); },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}; // prettier-ignore
const receivers = { receiver: nowhere('flows'), metricReceiver: nowhere('series') };

exporterContract(good, {
  ...receivers,
  refused: [{ target: 1 }],
  check: () => {
    expect(seen.families).toBeGreaterThan(3);
    expect(seen.flows).toBeGreaterThan(64);
    return Promise.resolve();
  },
});

async function broken(change: Partial<Exporter>, settings: ExporterContractOptions = {}): Promise<string[]> {
  const names: string[] = [];
  for (const rule of exporterRules({ ...good, ...change }, settings)) {
    await (async () => rule.check())().catch(() => names.push(rule.name));
  }
  return names;
}

describe('the contract of exporters finds', () => {
  it('a manifest or options that are wrong', async () => {
    expect(await broken({ name: 'No Name' }, receivers)).toContain('its manifest is right');
    const config = z.object({ target: z.string().default('nowhere') });
    expect(await broken({ config }, receivers)).toEqual([
      'its options round-trip, are described, and wrong ones are refused',
    ]);
  });

  it('a server that goes on listening', async () => {
    const setup: Exporter['setup'] = () => new Promise<void>((done) => void createServer().listen(0, () => done()));
    expect(await broken({ setup })).toContain('starts, stops twice, starts again, and leaves nothing behind');
  });

  it('a server that is not released when setup fails after it', async () => {
    const setup: Exporter['setup'] = async (ctx) => {
      const server = createServer();
      await new Promise<void>((done) => void server.listen(0, () => done()));
      ctx.every(1000, () => undefined);
      ctx.defer(() => void server.close());
    };
    expect(await broken({ setup })).toEqual(['leaves nothing behind when setup fails half-way, wherever that is']);
  });

  it('a scope-owned task that throws', async () => {
    const setup: Exporter['setup'] = (ctx) =>
      ctx.every(20, () => {
        throw new Error('always');
      });
    expect(await broken({ setup })).toContain(
      'exports every kind of family, and texts, values and records nobody should send, without an error',
    );
  });
});
