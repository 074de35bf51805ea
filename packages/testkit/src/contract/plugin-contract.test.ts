import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { API, defineLayout, definePlugin, type Plugin } from '@retina/sdk';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { NOTHING, type RecordedBatch, writeRecording } from '../replay/index.ts';
import { pluginContract } from './plugin-contract.ts';
import { type PluginContractOptions, pluginRules } from './plugin-rules.ts';

const folder = mkdtempSync(join(tmpdir(), 'retina-contract-'));
afterAll(() => rmSync(folder, { recursive: true }));

const recording = pathToFileURL(join(folder, 'good.bin'));
const layout = defineLayout({
  name: 'hit',
  stride: 16,
  fields: { count: { offset: 0, type: 'u64', size: 8 }, kind: { offset: 8, type: 'u32', size: 4 } },
});
const batch = (count: number, kind: number): RecordedBatch => {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, count, true);
  new DataView(bytes.buffer).setUint32(8, kind, true);
  return { object: 'good.bpf.o', source: 'stream', map: 'hits', stride: 16, records: 1, lost: 0, bytes };
};
writeRecording(recording, {
  ...NOTHING,
  objects: [
    {
      file: 'good.bpf.o',
      programs: [{ name: 'on_hit', section: 'tp_btf/kfree_skb' }],
      maps: [{ name: 'hits', type: 27, keySize: 0, valueSize: 0, maxEntries: 4096 }],
      constants: [],
    },
  ],
  batches: [batch(3, 1), batch(4, 2)],
});

const OBJECT = new URL('../dist/good.bpf.o', import.meta.url);
const KINDS = ['first', 'second'];

const good = definePlugin({
  name: 'good',
  api: API,
  description: 'Counts hits by kind, and does everything right.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON'], kernel: '5.10', btf: true },
  config: z.object({ pollMs: z.int().min(10).default(20).describe('Milliseconds between two looks.') }),
  metrics: {
    hits_total: { kind: 'counter', help: 'Hits by kind.', labels: ['kind'] },
    looks_total: { kind: 'counter', help: 'How often it looked.' },
  },
  async setup(ctx) {
    const object = await ctx.bpf(OBJECT);
    const kinds = KINDS.map((kind) => ctx.label(kind));
    const other = ctx.label('other');
    ctx.use(
      object.stream('hits', layout, (hits) => {
        for (let row = 0; row < hits.length; row++) {
          ctx.metrics.hits_total.add(hits.col.count(row), kinds[hits.col.kind(row)] ?? other);
        }
      }),
    );
    ctx.use(object.attach('on_hit'));
    ctx.every(ctx.config.pollMs, () => ctx.metrics.looks_total.add(1));
  },
});

pluginContract(good, { recording, refused: [{ pollMs: 1 }, { pollMs: 'often' }] });

const settings: PluginContractOptions = { recording };

/** Names of the rules a plugin breaks. */
async function broken(change: Partial<Plugin>, also: PluginContractOptions = settings): Promise<string[]> {
  const plugin = { ...good, ...change } as unknown as Plugin;
  const names: string[] = [];
  for (const rule of pluginRules(plugin, also)) {
    try {
      await rule.check();
    } catch {
      names.push(rule.name);
    }
  }
  return names;
}

type Setup = Plugin['setup'];
const after =
  (more: (ctx: Parameters<Setup>[0]) => void | Promise<void>): Setup =>
  async (ctx: never) => {
    await good.setup(ctx);
    await more(ctx);
  };

describe('the contract of plugins finds', () => {
  const MANIFEST = 'its manifest is right';
  const METRICS = 'its metrics are named and declared by the rules';
  const OPTIONS = 'its options round-trip, are described, and wrong ones are refused';
  const LIFE = 'starts, stops, and leaves nothing behind';
  const HALF = 'leaves nothing behind when setup fails half-way, wherever that is';
  const REPLAY = 'takes what the kernel gave once, without an error and with possible values';
  const HOSTILE = 'survives values nobody should send';

  it.each<[string, Partial<Plugin>]>([
    ['a name that is none', { name: 'Not A Name' }],
    ['a capability that is none', { needs: { capabilities: ['CAP_BPF'] } }],
    ['a kernel that is none', { needs: { capabilities: [], kernel: 'six' } }],
    ['a description that is missing', { description: '' }],
    ['another version of the contract', { api: 2 as unknown as 1 }],
  ])('%s', async (_, change) => {
    expect(await broken(change)).toContain(MANIFEST);
  });

  it.each<[string, Plugin['metrics']]>([
    ['a counter without _total', { hits: { kind: 'counter', help: 'Hits of all kinds.' } }],
    ['a gauge with _total', { hits_total: { kind: 'gauge', help: 'Hits of all kinds.' } }],
    [
      'a unit that is not in the name',
      { wait_total: { kind: 'counter', unit: 'seconds', help: 'Seconds of waiting.' } },
    ],
    ['an abbreviated unit', { wait_ms_total: { kind: 'counter', help: 'Time of waiting.' } }],
    ['a reserved label', { hits_total: { kind: 'counter', help: 'Hits of all kinds.', labels: ['le'] } }],
    ['a label that is no name', { hits_total: { kind: 'counter', help: 'Hits of all kinds.', labels: ['Kind'] } }],
    ['missing help', { hits_total: { kind: 'counter', help: '' } }],
    [
      'buckets out of order',
      { wait_seconds: { kind: 'histogram', unit: 'seconds', help: 'A time.', buckets: [2, 1] } },
    ],
  ])('%s', async (_, metrics) => {
    expect(await broken({ metrics })).toContain(METRICS);
  });

  it('a forced name only where it is not declared as forced', async () => {
    const metrics = { ...good.metrics, drop_count: { kind: 'counter', help: 'Drops, by the old name.' } } as const;
    expect(await broken({ metrics })).toEqual([METRICS]);
    expect(await broken({ metrics }, { ...settings, compatible: ['drop_count'] })).toEqual([]);
  });

  it.each<[string, Plugin['config']]>([
    ['an option without a description', z.object({ pollMs: z.int().default(20) })],
    ['options that take any key', z.looseObject({ pollMs: z.int().default(20).describe('A time.') })],
    [
      'options that are not idempotent',
      z.object({ pollMs: z.union([z.literal('x'), z.undefined()]).transform(() => 20).describe('A time.') }), // prettier-ignore
    ],
  ])('%s', async (_, config) => {
    expect(await broken({ config })).toContain(OPTIONS);
  });

  it('options that should have been refused', async () => {
    expect(await broken({}, { ...settings, refused: [{ pollMs: 50 }] })).toEqual([OPTIONS]);
  });

  it.each<[string, Setup]>([
    ['a timer of its own', after(() => void setInterval(() => undefined, 1000))],
    ['a timer that does not keep the process', after(() => void setInterval(() => undefined, 1000).unref())],
    [
      'a server',
      after((ctx) => new Promise<void>((done) => createServer().listen(0, done)).finally(() => ctx.log.debug('up'))),
    ],
    ['a listener on process', after(() => void process.on('SIGUSR2', function left() {}))],
  ])('%s that is left behind', async (_, setup) => {
    process.setMaxListeners(100);
    const rules = await broken({ setup });
    process.removeAllListeners('SIGUSR2');
    process.setMaxListeners(10);
    expect(rules).toContain(LIFE);
  });

  it('a tap that is left behind', async () => {
    const setup = after(async (ctx) => {
      const object = await ctx.bpf(OBJECT);
      ctx.taps.watch(() => undefined);
      object.attach('on_hit');
    });
    expect(await broken({ setup })).toEqual([]); // what hangs on the object ends with it
  });

  it('a resource handed over too late to survive a half-way failure', async () => {
    const setup = after((ctx) => {
      const timer = setInterval(() => undefined, 1000);
      ctx.every(1000, () => undefined); // may throw, and then nobody knows of the timer
      ctx.defer(() => clearInterval(timer));
    });
    expect(await broken({ setup })).toEqual([HALF]);
  });

  it('a handler that throws on values the kernel gave', async () => {
    const setup = after(async (ctx) => {
      const object = await ctx.bpf(OBJECT);
      object.stream('hits', layout, (hits) => {
        if (hits.length && hits.col.kind(0) === 2) throw new Error('no such kind');
      });
    });
    expect(await broken({ setup })).toContain(REPLAY);
  });

  it('a handler that throws on values nobody should send', async () => {
    const setup = after(async (ctx) => {
      const object = await ctx.bpf(OBJECT);
      object.stream('hits', layout, (hits) => {
        for (let row = 0; row < hits.length; row++) KINDS[hits.col.kind(row)]!.toUpperCase();
      });
    });
    expect(await broken({ setup })).toContain(HOSTILE);
  });

  it.each<[string, Setup]>([
    [
      'a notification',
      after((ctx) => {
        ctx.netlink.subscribe(12, [1], (messages) => {
          for (const { payload } of messages)
            new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);
        });
      }),
    ],
    [
      'an answer',
      after((ctx) =>
        ctx.every(20, async () => {
          await ctx.netlink.request({ family: 4, type: 20, flags: 0x300, payload: new Uint8Array(4) }, (messages) => {
            for (const { payload } of messages)
              new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(0);
          });
        }),
      ),
    ],
  ])('a handler that throws on %s nobody should send', async (_, setup) => {
    expect(await broken({ setup })).toEqual([HOSTILE]);
  });

  it('a value that cannot be', async () => {
    const setup = after((ctx) => {
      const counter = ctx.metrics['looks_total'] as { add(value: number): void };
      counter.add(Infinity);
    });
    expect(await broken({ setup })).toContain(REPLAY);
  });

  it('a recording that is missing or older than the object', async () => {
    const missing = pathToFileURL(join(folder, 'missing.bin'));
    expect(await broken({}, { recording: missing })).toContain(LIFE);
    const other = pathToFileURL(join(folder, 'other.bin'));
    writeRecording(other, { ...NOTHING, objects: [] });
    expect(await broken({}, { recording: other })).toContain(LIFE);
  });
});
