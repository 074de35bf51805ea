import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { child, compile, INDEX, sh } from './support.ts';

const records = JSON.stringify(compile('records'));
const types = JSON.stringify(compile('kernel_types'));
const tap = JSON.stringify(compile('tap'));
const addon = fileURLToPath(new URL('../build/Release/retina_loader.node', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'retina-loader-'));
afterAll(() => rmSync(dir, { recursive: true }));

const layout = `{ name: 'x', stride: 24, fields: {} }`;
/** Each leaves something open on purpose. `ids` collects the programs that must be gone afterwards. */
const stages: Record<string, string> = {
  imported: '',
  opened: `globalThis.spec = loader.openObject(${records});`,
  loading: `for (let i = 0; i < 8; i++) loader.openObject(${types}).load().catch(() => {});`,
  loaded: `const o = globalThis.o = await loader.openObject(${records}).load(); ids.push(o.program('run').id);`,
  attached: `const o = globalThis.o = await loader.openObject(${types}).load(); ids.push(o.program('on_free').id); globalThis.l = o.attach('on_free');`,
  attaching: `const o = await loader.openObject(${tap}).load(); ids.push(o.program('first').id); for (let i = 0; i < 4; i++) o.attachTap('first', 1, 'ingress', 'tcx').catch(() => {});`,
  tapped: `const o = await loader.openObject(${tap}).load(); ids.push(o.program('first').id); await o.attachTap('first', 1, 'ingress', 'tcx');`,
  streaming: `
    const o = globalThis.o = await loader.openObject(${records}).load({ constants: { burst: 64 } }); ids.push(o.program('run').id);
    globalThis.s = o.stream('events', ${layout}, () => {});
    o.program('run').testRun(new Uint8Array(64), { repeat: 30 });`,
  draining: `
    const o = globalThis.o = await loader.openObject(${records}).load({ constants: { burst: 64, keys: 4000 } }); ids.push(o.program('run').id);
    globalThis.t = o.table('totals', ${layout}, 1, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3));
    for (let i = 0; i < 5; i++) { o.program('run').testRun(new Uint8Array(64), { repeat: 100 }); await new Promise((r) => setTimeout(r, 2)); }
    t.flush().catch(() => {});`,
  watching: `globalThis.w = loader.watchNetwork(() => {}); loader.interfaces();`,
  asking: `for (let i = 0; i < 8; i++) loader.netlinkRequest({ family: 0, type: 18, flags: 0x300, payload: new Uint8Array(16) }, () => {}).catch(() => {});
    loader.deviceStatistics('lo');`,
  subscribed: `globalThis.n = loader.netlinkSubscribe(0, [1], () => {});`,
  closing: `
    const o = await loader.openObject(${types}).load(); ids.push(o.program('on_free').id); o.attach('on_free');
    o[Symbol.dispose]();`,
  closed: `
    const o = await loader.openObject(${records}).load(); ids.push(o.program('run').id);
    o.stream('events', ${layout}, () => {})[Symbol.dispose](); o.table('totals', ${layout}, 5, () => {});
    o[Symbol.dispose](); await loader.settled();`,
};
const holding = new Set(['streaming', 'draining', 'watching', 'subscribed']);

/** A stage of its own network namespace, so that taps on `lo` meet nobody. */
async function ends(script: string): Promise<void> {
  const ended = await child(script, { prefix: ['unshare', '--net', '--'] });
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  const ids = JSON.parse(ended.stdout) as number[];
  const gone = () => {
    const alive = (JSON.parse(sh('bpftool -j prog show')) as { id: number }[]).map((program) => program.id);
    return !ids.some((id) => alive.includes(id));
  };
  for (let i = 0; i < 50 && !gone(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(gone()).toBe(true);
}

describe('a process ends cleanly', () => {
  test.each(Object.keys(stages))('by process.exit when it has %s', async (stage) => {
    await ends(`const ids = []; ${stages[stage]}\nconsole.log(JSON.stringify(ids)); process.exit(0);`);
  });

  test.each(Object.keys(stages).filter((stage) => !holding.has(stage)))('by itself when it has %s', async (stage) => {
    await ends(`const ids = []; ${stages[stage]}\nconsole.log(JSON.stringify(ids));`);
  });

  test.each([...holding])('by itself when it has stopped %s', async (stage) => {
    await ends(`const ids = []; ${stages[stage]}
      setTimeout(() => { for (const open of [globalThis.s, globalThis.t, globalThis.w, globalThis.n]) open?.[Symbol.dispose](); }, 30);
      console.log(JSON.stringify(ids));`);
  });
});

describe('worker threads', () => {
  test.each(Object.keys(stages))(
    'can be terminated when they have %s, two at a time beside a working main thread',
    async (stage) => {
      const body = `
      const loader = await import(${JSON.stringify(INDEX)});
      const { parentPort } = await import('node:worker_threads');
      const ids = []; ${stages[stage]}
      parentPort.postMessage(ids); setInterval(() => {}, 1000);`;
      await ends(`
      const { Worker } = await import('node:worker_threads');
      const main = await loader.openObject(${records}).load({ constants: { burst: 8 } });
      let records = 0;
      const stream = main.stream('events', ${layout}, (batch) => { records += batch.length; });
      const url = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(body)}));
      const all = [main.program('run').id];
      for (let round = 0; round < 3; round++) {
        await Promise.all([1, 2].map(async () => {
          const worker = new Worker(url, { execArgv: ['--conditions=@retina/source'] });
          await new Promise((resolve, reject) => { worker.once('message', (ids) => { all.push(...ids); resolve(); }); worker.once('error', reject); });
          main.program('run').testRun(new Uint8Array(64));
          await worker.terminate();
        }));
      }
      await stream.flush();
      if (records !== 48) console.error('records', records);
      stream[Symbol.dispose](); main[Symbol.dispose]();
      console.log(JSON.stringify(all));`);
    },
  );
});

test('two copies of the addon work in one process', async () => {
  const copy = join(dir, 'copy.node');
  copyFileSync(addon, copy);
  await ends(`
    const { createRequire } = await import('node:module');
    const { RetinaError } = await import('@retina/sdk');
    const second = createRequire(${JSON.stringify(INDEX)})(${JSON.stringify(copy)});
    second.initialize(RetinaError);
    const a = await loader.openObject(${records}).load({ constants: { burst: 3 } });
    const b = await second.openObject(${records}).load({ constants: { burst: 5 } });
    const seen = [0, 0];
    const one = a.stream('events', ${layout}, (batch) => { seen[0] += batch.length; });
    const two = b.openStream('events', 24, 0, (slab, rows) => { seen[1] += rows; });
    a.program('run').testRun(new Uint8Array(64)); b.program('run').testRun(new Uint8Array(64));
    await Promise.all([one.flush(), two.flush()]);
    if (String(seen) !== '3,5') console.error(seen);
    let foreign; try { a.map('events').setProgram(0, b.program('run')); } catch (e) { foreign = e; }
    if (!(foreign instanceof TypeError)) console.error('a program of the other copy was taken', foreign);
    console.log(JSON.stringify([a.program('run').id, b.program('run').id]));
    one[Symbol.dispose](); two.close(); a[Symbol.dispose](); b.close();`);
});

test('200 rounds of everything leave no descriptor and no memory behind', async () => {
  const ended = await child(
    `
    const { readdirSync, readFileSync } = await import('node:fs');
    const fds = () => readdirSync('/proc/self/fd').length;
    const rss = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    const round = async () => {
      using spec = loader.openObject(${records});
      using traced = await loader.openObject(${types}).load();
      using o = await spec.load({ constants: { burst: 64 } });
      traced.attach('on_free');
      const taps = await Promise.all(['ingress', 'egress'].map((d) => o.attachTap('run', 1, d)));
      o.stream('events', ${layout}, () => {});
      loader.netlinkSubscribe(0, [1], () => {})[Symbol.dispose]();
      await loader.netlinkRequest({ family: 0, type: 18, flags: 0x300, payload: new Uint8Array(16) }, () => {});
      await loader.deviceStatistics('lo');
      using table = o.table('totals', ${layout}, 5, () => {});
      o.program('run').testRun(new Uint8Array(64));
      await table.flush();
      await o.attachTap('nothing', 1, 'ingress').catch(() => {});
      await spec.load({ constants: { no: 1 } }).catch(() => {});
      for (const tap of taps) tap[Symbol.dispose]();
    };
    const rounds = async (n) => { for (let i = 0; i < n; i++) { await round(); await loader.settled(); } globalThis.gc(); };
    await rounds(60);
    const before = fds();
    const memory = [rss()];
    for (let part = 0; part < 9; part++) {
      await rounds(22);
      memory.push(rss());
    }
    console.log(JSON.stringify([fds() - before, memory.slice(1).map((after, part) => after - memory[part])]));`,
    { prefix: ['unshare', '--net', '--'], env: { NODE_OPTIONS: '--expose-gc' } },
  );
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const [descriptors, growth] = JSON.parse(ended.stdout) as [number, number[]];
  expect(descriptors).toBe(0);
  // A leak grows in every part; a busy machine makes the allocators take more in one or two of them.
  const median = growth.sort((a, b) => a - b)[4];
  expect(median).toBeLessThan(0.4);
}, 240_000);
