import { setTimeout as sleep } from 'node:timers/promises';
import { RetinaError } from '@retina/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../config/load.ts';
import type { Host } from './host.ts';
import { memoryLogger, plugin, QUICK, sample, startHost, until } from './testing.ts';

let host: Host | undefined;
afterEach(() => host?.stop(500));

const stateOf = (name: string) => host!.health().components.find((one) => one.name === name)!;
const config = (text: string) => loadConfig({ text, environment: {} }).config;

describe('setting up', () => {
  test('a plugin that fails half-way leaves nothing behind, and the others run', async () => {
    const released: string[] = [];
    const broken = plugin('broken', {
      setup(ctx) {
        ctx.defer(() => void released.push('first'));
        ctx.use({ [Symbol.asyncDispose]: async () => void released.push(await Promise.resolve('second')) });
        ctx.every(1, () => void released.push('never again'));
        ctx.defer(() => {
          throw new Error('a release that throws');
        });
        throw new Error('no third');
      },
    });
    host = await startHost([broken, plugin('fine', { setup: () => undefined })], {
      limits: { ...QUICK, restartMs: 60_000 },
    });
    expect(stateOf('broken')).toMatchObject({ state: 'failed', causes: [{ code: 'RETINA_SETUP_FAILED' }] });
    expect(stateOf('broken').causes[0]!.message).toContain('no third');
    expect(stateOf('fine').state).toBe('running');
    await sleep(20);
    expect(released).toEqual(['second', 'first']);
    expect(host.health().ready).toBe(false);
    expect(sample(host.metrics, 'retina_plugin_state', 'broken', 'failed')).toBe(1);
    expect(sample(host.metrics, 'controlplane_networkobservability_plugin_manager_failed_to_reconcile', 'broken')).toBe(
      1,
    );
  });

  test('one that does not come back names its step, and what it takes late is released at once', async () => {
    const logger = memoryLogger();
    let late = false;
    const slow = plugin('slow', {
      async setup(ctx) {
        await sleep(300);
        ctx.use(new (class LateThing {
          [Symbol.dispose]() {
            late = true;
          }
        })());
      },
    }); // prettier-ignore
    const started = performance.now();
    host = await startHost([slow], { logger, limits: { ...QUICK, restartMs: 60_000 } });
    expect(performance.now() - started).toBeLessThan(290);
    expect(stateOf('slow').causes[0]).toMatchObject({ code: 'RETINA_SETUP_TIMEOUT' });
    expect(stateOf('slow').causes[0]!.message).toMatch(/plugin slow .*still at: setup/);
    await until(() => late, 'the late resource is released');
    expect(logger.lines.find(({ message }) => message.includes('after its scope'))?.fields).toMatchObject({
      plugin: 'slow',
      resource: 'LateThing',
    });
  });

  test('a failure is tried again with back-off until it works', async () => {
    let tries = 0;
    const third = plugin('third', {
      setup() {
        if (++tries < 3) throw new Error(`try ${tries}`);
      },
    });
    host = await startHost([third]);
    await until(() => stateOf('third').state === 'running', 'running at the third try');
    expect(tries).toBe(3);
    expect(stateOf('third').causes).toEqual([]);
    expect(sample(host.metrics, 'retina_component_restarts_total', 'plugin', 'third')).toBe(2);
    expect(host.health().ready).toBe(true);
  });

  test('needs that are not met are all told, with what mends them; nothing is tried', async () => {
    let tried = false;
    const greedy = plugin('greedy', {
      needs: { capabilities: ['MAC_ADMIN', 'BLOCK_SUSPEND'], kernel: '99.0' },
      setup: () => void (tried = true),
    });
    const foreign = plugin('foreign', { platforms: ['win32'], setup: () => undefined });
    host = await startHost([greedy, foreign]);
    const causes = stateOf('greedy').causes;
    expect(causes.map(({ code }) => code)).toEqual(['RETINA_KERNEL_UNSUPPORTED', 'RETINA_CAPABILITY_MISSING']);
    expect(causes[1]!.message).toContain('add: [MAC_ADMIN, BLOCK_SUSPEND]');
    expect(stateOf('foreign').causes[0]!.message).toContain('needed: win32');
    expect(tried).toBe(false);
  });

  test('options a plugin does not know, and metrics that collide, fail that plugin only', async () => {
    const metrics = { shared_total: { kind: 'counter', help: 'Taken.' } } as const;
    const one = plugin('one', { metrics, setup: () => undefined });
    const two = plugin('two', { metrics, setup: () => undefined });
    const typo = plugin('typo', { config: z.object({ rate: z.number().default(1) }), setup: () => undefined });
    host = await startHost([one, two, typo], { yaml: 'plugins: {one: {}, two: {}, typo: {rat: 2}}\nexporters: {}' });
    const states = ['one', 'two'].map((name) => stateOf(name));
    expect(states.map(({ state }) => state).sort()).toEqual(['failed', 'running']);
    expect(states.find(({ state }) => state === 'failed')!.causes[0]!.code).toBe('RETINA_METRIC_INVALID');
    expect(stateOf('typo').causes[0]!.message).toContain('did you mean rate?');
  });
});

describe('running', () => {
  test('throws are counted; so many in a row set the plugin up afresh, with its counters going on', async () => {
    let setups = 0;
    const shaky = plugin('shaky', {
      metrics: { done_total: { kind: 'counter', help: 'Done.' } },
      setup(ctx) {
        const run = ++setups;
        ctx.metrics.done_total.add(1);
        ctx.every(1, () => {
          if (run === 1) throw new Error('bad handler');
        });
      },
    });
    const states: string[] = [];
    const steady = plugin('steady', { setup: () => undefined });
    host = await startHost([shaky, steady]);
    host.on('state', ({ name, state }) => void (name === 'shaky' && states.push(state)));
    await until(() => setups === 2 && stateOf('shaky').state === 'running', 'set up again');
    expect(states).toEqual(['degraded', 'starting', 'running']);
    expect(stateOf('steady').state).toBe('running');
    expect(sample(host.metrics, 'retina_handler_errors_total', 'plugin', 'shaky')).toBe(QUICK.failures);
    expect(sample(host.metrics, 'networkobservability_done_total')).toBe(2);
  });

  test('a slow handler degrades its plugin while it is slow', async () => {
    let busy = true;
    const lazy = plugin('lazy', {
      setup(ctx) {
        ctx.every(1, () => {
          for (const end = performance.now() + 25; busy && performance.now() < end;);
        });
      },
    });
    host = await startHost([lazy]);
    await until(() => stateOf('lazy').state === 'degraded', 'degraded');
    expect(stateOf('lazy').causes[0]!.code).toBe('RETINA_HANDLER_SLOW');
    expect(host.health().ready).toBe(true);
    busy = false;
    await until(() => stateOf('lazy').state === 'running', 'running again');
    expect(stateOf('lazy').causes).toEqual([]);
  });

  test('nothing is made up for after the event loop was blocked, and no task overlaps itself', async () => {
    let quick = 0;
    let running = 0;
    let most = 0;
    const busy = plugin('busy', {
      setup(ctx) {
        ctx.every(1, () => void quick++);
        ctx.every(1, async () => {
          most = Math.max(most, ++running);
          await sleep(10);
          running--;
        });
      },
    });
    host = await startHost([busy]);
    await until(() => quick > 0 && running > 0, 'both have begun');
    const before = quick;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    for (let turn = 0; turn < 3; turn++) await new Promise((done) => setImmediate(done));
    expect(quick - before).toBeLessThanOrEqual(3);
    await sleep(50);
    expect(most).toBe(1);
  });

  test('what a plugin says it lacks is its state', async () => {
    let lack: Disposable | undefined;
    const half = plugin('half', {
      setup(ctx) {
        ctx.degrade(new RetinaError('RETINA_ATTACH_FAILED', 'one hook is refused'));
        lack = ctx.degrade(new RetinaError('RETINA_LISTEN_FAILED', 'a socket is not there'));
      },
    });
    host = await startHost([half]);
    const codes = () => stateOf('half').causes.map(({ code }) => code);
    expect(codes()).toEqual(['RETINA_ATTACH_FAILED', 'RETINA_LISTEN_FAILED']);
    lack![Symbol.dispose]();
    lack![Symbol.dispose]();
    expect(stateOf('half').state).toBe('degraded');
    expect(codes()).toEqual(['RETINA_ATTACH_FAILED']);
  });
});

describe('another configuration', () => {
  test('restarts only what changed, and says so', async () => {
    const runs: string[] = [];
    const make = (name: string) =>
      plugin(name, {
        config: z.object({ n: z.number().default(0) }),
        metrics: { [`${name}_info`]: { kind: 'gauge', help: 'Its option.' } },
        setup(ctx) {
          runs.push(`${name}+${ctx.config['n']}`);
          ctx.defer(() => void runs.push(`${name}-`));
        },
      });
    const components = { a: make('a'), b: make('b'), c: make('c') };
    host = await startHost(Object.values(components), { yaml: 'plugins: {a: {}, b: {}}\nexporters: {}' });
    const report = await host.reconcile(config('plugins: {a: {}, c: {}}\nexporters: {}\nflows: {history: 7}'));
    expect(report).toEqual({
      started: ['plugin c'],
      restarted: [],
      stopped: ['plugin b'],
      unchanged: ['plugin a'],
      pending: ['flows'],
    });
    expect(host.health().components.map(({ name }) => name)).toEqual(['a', 'c']);
    expect([...host.metrics.families()].map(({ name }) => name)).not.toContain('networkobservability_b_info');
    expect(sample(host.metrics, 'retina_plugin_state', 'b', 'stopped')).toBeUndefined();
    expect((await host.reconcile(config('plugins: {a: {n: 3}, c: {}}\nexporters: {}'))).restarted).toEqual([
      'plugin a',
    ]);
    expect(runs).toEqual(['a+0', 'b+0', 'b-', 'c+0', 'a-', 'a+3']);
  });

  test('100 reloads leave no timer, listener, series or memory behind', async () => {
    let open = 0;
    const counted = plugin('counted', {
      config: z.object({ n: z.number().default(0) }),
      metrics: { rows: { kind: 'gauge', help: 'Rows.', labels: ['n'] } },
      setup(ctx) {
        open++;
        const buffer = new Uint8Array(1 << 20);
        ctx.defer(() => void open--);
        ctx.every(1000, () => void buffer.fill(1));
        ctx.metrics.rows.set(1, ctx.label('same'));
        ctx.use(ctx.taps.watch(() => undefined));
      },
    });
    host = await startHost([counted]);
    const reload = (n: number) => host!.reconcile(config(`plugins: {counted: {n: ${n}}}\nexporters: {}`));
    await reload(-1);
    const timers = process.getActiveResourcesInfo().length;
    const memory = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 100; n++) await reload(n);
    expect(open).toBe(1);
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(timers + 1);
    expect(sample(host.metrics, 'retina_metric_series', 'networkobservability_rows')).toBe(1);
    globalThis.gc?.();
    if (globalThis.gc) expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(20 << 20);
  });
});

test('a component of a path is known by the name it declares, also after it has gone', async () => {
  const declared = plugin('declared', {
    metrics: { done_total: { kind: 'counter', help: 'Done.' } },
    setup: (ctx) => ctx.metrics.done_total.add(1),
  });
  const components = { './somewhere/x.ts': declared };
  host = await startHost([], { yaml: 'plugins: {./somewhere/x.ts: {}}\nexporters: {}', components });
  expect(host.health().components.map(({ name, state }) => `${name} ${state}`)).toEqual(['declared running']);
  expect(sample(host.metrics, 'retina_plugin_state', 'declared', 'running')).toBe(1);
  expect(sample(host.metrics, 'retina_plugin_state', './somewhere/x.ts')).toBeUndefined();
  await host.reconcile(config('plugins: {}\nexporters: {}'));
  expect(sample(host.metrics, 'retina_plugin_state', 'declared')).toBeUndefined();
  expect(sample(host.metrics, 'networkobservability_done_total')).toBeUndefined();
});

test('an identity file with mistakes is told by health, and readiness does not wait for it', async () => {
  host = await startHost([], { yaml: 'plugins: {}\nexporters: {}\nidentity: {file: /nonexistent/identity.yaml}' });
  const { ready, problems } = host.health();
  expect(ready).toBe(true);
  expect(problems).toEqual([
    { code: 'RETINA_IDENTITY_INVALID', message: expect.stringContaining('/nonexistent/identity.yaml') as string },
  ]);
});

describe('stopping', () => {
  test('is done in time although a release never ends, and can be asked for twice and before the start has ended', async () => {
    const logger = memoryLogger();
    const stuck = plugin('stuck', { setup: (ctx) => ctx.defer(function waitForEver() {
      return new Promise(() => undefined);
    }) }); // prettier-ignore
    let clean = false;
    const good = plugin('good', { setup: (ctx) => ctx.defer(() => void (clean = true)) });
    host = await startHost([stuck, good], { logger });
    const started = performance.now();
    await Promise.all([host.stop(400), host.stop(400)]);
    expect(performance.now() - started).toBeLessThan(450);
    expect(clean).toBe(true);
    expect(logger.lines.some(({ fields }) => fields['resource'] === 'waitForEver')).toBe(true);

    const control = new AbortController();
    const endless = plugin('endless', { setup: () => new Promise<void>(() => undefined) });
    const starting = startHost([endless], { signal: control.signal, limits: { ...QUICK, setupMs: 60_000 } });
    await sleep(20);
    control.abort();
    host = await starting;
    await host.stop();
    expect(stateOf('endless').state).toBe('stopped');
  });
});
