import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);

/** Runs a script in a process of its own, where nobody else catches what nobody caught. */
async function run(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const whole = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { EventEmitter } from 'node:events';
    const { memoryLogger, plugin, exporter, sample, startHost, until } = await import(${url('testing.ts')});
    ${script}`;
  const args = ['--conditions=@retina/source', '--input-type=module', '-e', whole];
  return promisify(execFile)(process.execPath, args).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

test('nothing that a plugin forgets, leaves behind or does too late ends the process; its name is in the log', async () => {
  const { code, stdout, stderr } = await run(`
    const logger = memoryLogger();
    const fail = async (text) => { await sleep(1); throw new Error(text); };
    const ended = (ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
    const ways = {
      forgotten: () => void fail('forgotten'),
      timer: () => void setTimeout(() => { throw new Error('timer'); }, 1),
      emitter: () => void setImmediate(() => new EventEmitter().emit('error', new Error('emitter'))),
      task: (ctx) => { let once = false; ctx.every(1, () => { if (!once) void fail('task'); once = true; }); },
      thenable: (ctx) => { let once = false; ctx.every(1, () => { if (once) return; once = true; return { then: (_, no) => no(new Error('thenable')) }; }); },
      // Goes on although its scope has ended, and takes something then.
      late: (ctx) => void (async () => { await ended(ctx); await sleep(150); ctx.defer(() => {}); })(),
      both: async (ctx) => { const a = ended(ctx).then(() => sleep(150)).then(() => ctx.use({ [Symbol.dispose]() {} })); const b = ended(ctx).then(() => sleep(160)).then(() => ctx.every(5, () => {})); await a; await b; },
      setup: async (ctx) => { await sleep(300); ctx.every(5, () => {}); },
      aborted: (ctx) => void ctx.signal.addEventListener('abort', async () => { throw new Error('aborted'); }),
      waiter: (ctx) => void sleep(60_000, undefined, { signal: ctx.signal }),
    };
    const plugins = Object.entries(ways).map(([name, setup]) => plugin(name, { setup }));
    const host = await startHost(plugins, { logger, limits: { setupMs: 100, handlerMs: 50, failures: 9, slow: 9, restartMs: 60_000, restartMaxMs: 60_000, releaseMs: 200 } });
    const seen = () => ['forgotten', 'timer', 'emitter', 'task', 'thenable'].map((name) => [name, sample(host.metrics, 'retina_handler_errors_total', 'plugin', name)]);
    await until(() => seen().every(([, errors]) => errors > 0), 'errors counted');
    const early = seen();
    await host.stop(500);
    const of = (name) => logger.lines.filter((line) => line.fields.plugin === name && /caught it|threw|after its scope/.test(line.message));
    const silent = () => Object.keys(ways).filter((name) => of(name).length === 0);
    await until(() => silent().length === 0, 'each named').catch(() => {});
    console.log(JSON.stringify([early, silent(), of('late').map((line) => [line.fields.late, line.fields.error?.split('\\n')[0]])]));`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [early, silent, late] = JSON.parse(stdout) as [[string, number][], string[], [string, string][]];
  expect(early).toEqual(['forgotten', 'timer', 'emitter', 'task', 'thenable'].map((name) => [name, 1]));
  expect(silent).toEqual([]);
  expect(late).toContainEqual([
    'its scope had ended',
    expect.stringContaining('the scope of this component has ended'),
  ]);
}, 20_000);

test('one that fails so again and again is set up afresh', async () => {
  const { code, stdout } = await run(`
    let setups = 0;
    const wild = plugin('wild', { setup() { if (++setups === 1) { const timer = setInterval(() => { throw new Error('wild'); }, 1); setTimeout(() => clearInterval(timer), 30); } } });
    const host = await startHost([wild]);
    await until(() => setups === 2, 'set up again');
    await host.stop();
    console.log(setups);`);
  expect([code, stdout]).toEqual([0, '2\n']);
}, 20_000);

test.each(['Promise.reject(new Error("ours"))', 'setTimeout(() => { throw new Error("ours"); })'])(
  'errors of others end the process as ever: %s',
  async (wrong) => {
    const { code, stderr } = await run(
      `const host = await startHost([plugin('quiet', { setup() {} })]); ${wrong}; await sleep(2000); console.log('alive');`,
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain('Error: ours');
  },
);
