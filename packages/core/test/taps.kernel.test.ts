import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compile, HostProcess, World } from './world.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot && process.env['CI'] === 'true') throw new Error('kernel tests need root');

const AB = 'plugins: {a: {}, b: {}}\nexporters: {}';

describe.skipIf(!isRoot)('taps', () => {
  let object: string;
  let world: World;
  let host: HostProcess | undefined;
  beforeAll(() => void (object = compile('probe')));
  beforeEach(() => void (world = new World()));
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    host = undefined;
    world[Symbol.dispose]();
  });

  const start = async (yaml: string) => (host = await HostProcess.start(world, object, yaml));
  const tap = async (name: string) => (await host!.ask('taps')).find((one) => one.name === name);

  /** Milliseconds until the condition holds. */
  async function until(condition: () => Promise<boolean>, what: string, ms = 5000): Promise<number> {
    const began = performance.now();
    while (!(await condition())) {
      if (performance.now() - began > ms) throw new Error(`not within ${ms} ms: ${what}`);
      await sleep(2);
    }
    return performance.now() - began;
  }

  test('a new interface is tapped within 100 ms, and again when it comes back under its name', async () => {
    await start(AB);
    let last = 0;
    for (let n = 0; n < 3; n++) {
      world.link('pod', 1);
      const took = await until(async () => (await tap('pod'))?.mode === 'tcx', 'the tap');
      const { ifindex, role } = (await tap('pod'))!;
      expect(took).toBeLessThan(100);
      expect(role).toBe('endpoint');
      expect(ifindex).toBeGreaterThan(last);
      last = ifindex;
      await world.send('10.77.1.1', 100);
      world.ip(`-n ${world.host} link del pod`);
      await until(async () => (await tap('pod')) === undefined, 'its end');
    }
    await sleep(30);
    expect((await host!.ask('counts'))['a']).toEqual([300, 0, 0, 0]);
  });

  test('a veth that carries the default route is an uplink, told to the programs, and follows the route', async () => {
    world.link('one', 1);
    world.link('two', 2);
    world.ip(`-n ${world.host} route add default via 10.77.1.2`);
    await start(AB);
    expect(await tap('one')).toMatchObject({ role: 'uplink', mode: 'tcx' });
    expect(await tap('two')).toMatchObject({ role: 'endpoint', mode: 'tcx' });
    await world.send('10.77.1.1', 10);
    await world.send('10.77.2.1', 20);
    world.ip(`-n ${world.host} route replace default via 10.77.2.2`);
    await until(async () => (await tap('two'))?.role === 'uplink', 'the other uplink');
    expect(await tap('one')).toMatchObject({ role: 'endpoint', mode: 'tcx' });
    await world.send('10.77.2.1', 40);
    await sleep(30);
    for (const [packets, , atUplinks] of [(await host!.ask('counts'))['a']!, (await host!.ask('counts'))['b']!]) {
      expect(packets).toBe(70);
      expect(atUplinks).toBe(50);
    }
  });

  test('whoever stays in the chain counts every packet once while another one comes and goes', async () => {
    world.link('pod', 1);
    await start('plugins: {a: {}}\nexporters: {}');
    let done = false;
    const sent = world.send('10.77.1.1', 60_000).finally(() => (done = true));
    let changes = 0;
    for (; !done; changes++) await host!.ask('reconcile', changes % 2 ? 'plugins: {a: {}}\nexporters: {}' : AB);
    await sent;
    await sleep(30);
    expect(changes).toBeGreaterThan(5);
    expect((await host!.ask('counts'))['a']![0]).toBe(60_000);
    await host!.ask('reconcile', 'plugins: {a: {}, b: {}, c: {}}\nexporters: {}');
    const before = await host!.ask('counts');
    await world.send('10.77.1.1', 500);
    await sleep(30);
    const after = await host!.ask('counts');
    for (const name of ['a', 'b', 'c']) expect(after[name]![0]! - before[name]![0]!).toBe(500);
  });

  test.each([
    ['in the middle', ['a', 'c'], 'plugins: {a: {}, c: {}}'],
    ['at the head', ['b', 'c'], 'plugins: {b: {}, c: {}}'],
  ])('two of three count every packet once while one %s comes and goes', async (_, staying, without) => {
    world.link('pod', 1);
    const three = 'plugins: {a: {}, b: {}, c: {}}';
    await start(`${three}\nexporters: {}`);
    let done = false;
    const sent = world.send('10.77.1.1', 60_000).finally(() => (done = true));
    let changes = 0;
    for (; !done; changes++) await host!.ask('reconcile', `${changes % 2 ? three : without}\nexporters: {}`);
    await sent;
    await sleep(30);
    expect(changes).toBeGreaterThan(3);
    const counts = await host!.ask('counts');
    for (const name of staying) expect(counts[name]![0]).toBe(60_000);
  });

  test('the head leaves and the next one goes on without a gap; without any, nothing is attached', async () => {
    world.link('pod', 1);
    await start(AB);
    const sent = world.send('10.77.1.1', 30_000);
    await sleep(150);
    await host!.ask('reconcile', 'plugins: {b: {}}\nexporters: {}');
    await sent;
    await sleep(30);
    expect((await host!.ask('counts'))['b']![0]).toBe(30_000);
    await host!.ask('reconcile', 'plugins: {}\nexporters: {}');
    expect(await tap('pod')).toMatchObject({ mode: 'none' });
    await until(
      async () => !Object.keys((await host!.ask('resources')).fds).some((name) => /bpf.?(prog|link)/.test(name)),
      'no program or link left',
    );
  });

  test('100 reloads leave no descriptor, program, map, link or memory behind', async () => {
    world.link('pod', 1);
    await start(AB);
    await host!.ask('reload', 10);
    await sleep(100);
    const before = await host!.ask('resources');
    await host!.ask('reload', 100);
    const bpf = (fds: Record<string, number>) =>
      Object.entries(fds)
        .filter(([name]) => /bpf/.test(name))
        .sort();
    await until(
      async () => JSON.stringify(bpf((await host!.ask('resources')).fds)) === JSON.stringify(bpf(before.fds)),
      'the descriptors of before',
    ); // prettier-ignore
    const after = await host!.ask('resources');
    expect(after.rss - before.rss).toBeLessThan(32 << 20);
    await world.send('10.77.1.1', 100);
    await sleep(30);
    expect((await host!.ask('counts'))['a']![0]).toBe(100);
    expect((await host!.ask('counts'))['b']![0]).toBe(100);
  }, 120_000);

  test('an interface that refuses costs that interface, shows, and is tried again', async () => {
    world.link('good', 1);
    world.link('bad', 2);
    const without = (exclude: string) => `plugins: {a: {}}\nexporters: {}\ntaps: {exclude: [${exclude}]}`;
    await start(without('bad'));
    const ifindex = Number(world.run(world.host, 'cat', '/sys/class/net/bad/ifindex'));
    expect(await host!.ask('crowd', ifindex)).toMatch(/RETINA|attach/i);
    await host!.ask('reconcile', without(''));
    await until(async () => (await tap('bad'))?.error !== undefined, 'the refusal');
    expect(await tap('bad')).toMatchObject({
      mode: 'none',
      error: expect.stringMatching(/ingress: .*egress: /) as string,
    });
    const state = async () => (await host!.ask('health')).components[0]!;
    expect(await state()).toMatchObject({ state: 'degraded', causes: [{ code: 'RETINA_ATTACH_FAILED' }] });
    await world.send('10.77.1.1', 10);
    await host!.ask('disperse');
    await until(async () => (await tap('bad'))?.error === undefined, 'the next try', 10_000);
    await until(async () => (await state()).state === 'running', 'running');
    await world.send('10.77.2.1', 20);
    await sleep(30);
    expect((await host!.ask('counts'))['a']![0]).toBe(30);
  });
});
