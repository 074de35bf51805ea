import { pathToFileURL } from 'node:url';
import * as loader from '@retina/loader';
import type { BpfHandle } from '@retina/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import type { GuardedHandle } from '../src/host/bpf-handle.ts';
import type { Host } from '../src/host/host.ts';
import { plugin, QUICK, startHost, until } from '../src/host/testing.ts';
import { compile } from './world.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot && process.env['CI'] === 'true') throw new Error('kernel tests need root');

describe.skipIf(!isRoot)('a source', () => {
  let host: Host | undefined;
  afterEach(() => host?.stop(500));

  const layout = (stride: number) => ({ name: 'record', stride, fields: {} });
  const run = (handle: BpfHandle) => (handle as GuardedHandle).object.program('run').testRun(new Uint8Array(64));
  const options = { loader, removeStaleFilters: false, limits: { ...QUICK, setupMs: 5000 } };

  test('that ends by itself fails its plugin, for good if another try cannot help, and nothing else', async () => {
    const object = pathToFileURL(compile('record'));
    let setups = 0;
    const wrong = plugin('wrong', {
      async setup(ctx) {
        setups++;
        const handle = await ctx.bpf(object);
        handle.stream('records', layout(16), () => undefined); // the object says 8
        run(handle);
      },
    });
    let records = 0;
    const right = plugin('right', {
      async setup(ctx) {
        const handle = await ctx.bpf(object);
        handle.stream('records', layout(8), (batch) => void (records += batch.length));
        run(handle);
      },
    });
    host = await startHost([wrong, right], options);
    const state = (name: string) => host!.health().components.find((one) => one.name === name)!;
    await until(() => state('wrong').state === 'failed', 'failed');
    expect(state('wrong').causes[0]).toMatchObject({ code: 'RETINA_OBJECT_INVALID' });
    await until(() => records === 1, 'the record of the other');
    expect([state('right').state, setups]).toEqual(['running', 1]);
  });

  test('opened and disposed of again and again leaves nothing in the scope', async () => {
    const object = pathToFileURL(compile('record'));
    let handle: BpfHandle | undefined;
    const restless = plugin('restless', { setup: async (ctx) => void (handle = await ctx.bpf(object)) });
    host = await startHost([restless], options);
    let records = 0;
    for (let n = 0; n < 50; n++)
      handle!.stream('records', layout(8), (batch) => void (records += batch.length))[Symbol.dispose]();
    handle!.stream('records', layout(8), (batch) => void (records += batch.length));
    const { held } = (handle as unknown as { run: { scope: { held: unknown[] } } }).run.scope;
    expect(held.length).toBeLessThan(10);
    run(handle!);
    await host.stop(2000); // hands over what there is
    expect(records).toBe(1);
  });
});
