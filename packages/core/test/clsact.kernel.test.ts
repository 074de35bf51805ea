import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compile, HostProcess, World } from './world.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot && process.env['CI'] === 'true') throw new Error('kernel tests need root');

const ABC = 'plugins: {a: {}, b: {}, c: {}}\nexporters: {}\nenableTCX: "off"';

describe.skipIf(!isRoot)('taps without tcx', () => {
  let object: string;
  let world: World;
  let host: HostProcess | undefined;
  beforeAll(() => void (object = compile('probe')));
  beforeEach(() => {
    world = new World();
    world.link('pod', 1);
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    host = undefined;
    world[Symbol.dispose]();
  });

  const tc = (...words: string[]) => world.run(world.host, 'tc', ...words);
  const start = async (yaml: string) => (host = await HostProcess.start(world, object, yaml));
  const tap = async () => (await host!.ask('taps')).find(({ name }) => name === 'pod')!;
  const both = async (packets: number) => {
    await Promise.all([world.send('10.77.1.1', packets), world.send('10.77.1.2', packets / 2, world.host)]);
    await sleep(30);
  };
  /** Somebody else's filter, which counts as the probes do. */
  const foreign = (hook: string) =>
    void tc('filter', 'add', 'dev', 'pod', hook, 'prio', '9', 'handle', '7', 'bpf', 'direct-action', 'object-file', object, 'program', `probe_${hook}`); // prettier-ignore
  function foreignCount(hook: string): number {
    const bpftool = <T>(...words: string[]) => JSON.parse(world.run(world.host, 'bpftool', '-j', ...words)) as T;
    const id = /handle 0x7 .* id (\d+)/.exec(tc('filter', 'show', 'dev', 'pod', hook))![1]!;
    const { map_ids: maps } = bpftool<{ map_ids: number[] }>('prog', 'show', 'id', id);
    const totals = maps.find(
      (map) => bpftool<{ name: string }>('map', 'show', 'id', String(map)).name === 'probe_totals',
    );
    const key = hook === 'egress' ? '1' : '0';
    const { formatted } = bpftool<{ formatted: { values: { value: { packets: number } }[] } }>('map', 'lookup', 'id', String(totals), 'key', key, '0', '0', '0'); // prettier-ignore
    return formatted.values.reduce((sum, { value }) => sum + value.packets, 0);
  }

  test('every plugin counts every packet once on both hooks, behind it goes on what others have there', async () => {
    tc('qdisc', 'add', 'dev', 'pod', 'clsact');
    foreign('ingress');
    foreign('egress');
    await start(ABC);
    expect(await tap()).toMatchObject({ mode: 'clsact' });
    await both(2000);
    const counts = await host!.ask('counts');
    for (const name of ['a', 'b', 'c']) expect(counts[name]!.slice(0, 2)).toEqual([2000, 1000]);
    await host![Symbol.asyncDispose]();
    host = undefined;
    await both(200);
    expect([foreignCount('ingress'), foreignCount('egress')]).toEqual([2200, 1100]);
    for (const hook of ['ingress', 'egress']) expect(tc('filter', 'show', 'dev', 'pod', hook)).not.toContain('retina:');
  });

  test('beside an ingress qdisc the ingress hook is tapped, and the egress hook refused: nothing is counted as what it is not', async () => {
    tc('qdisc', 'add', 'dev', 'pod', 'ingress');
    foreign('ingress');
    await start(ABC);
    expect(await tap()).toMatchObject({ mode: 'clsact', error: expect.stringMatching(/^egress: .*clsact/) as string });
    const { components } = await host!.ask('health');
    expect(components).toHaveLength(3);
    for (const one of components)
      expect(one).toMatchObject({ state: 'degraded', causes: [{ code: 'RETINA_ATTACH_FAILED' }] });
    await both(1000);
    const counts = await host!.ask('counts');
    for (const name of ['a', 'b', 'c']) expect(counts[name]!.slice(0, 2)).toEqual([1000, 0]);
    expect(foreignCount('ingress')).toBe(1000);
    await host![Symbol.asyncDispose]();
    host = undefined;
    expect(tc('qdisc', 'show', 'dev', 'pod')).toContain('qdisc ingress');
  });
});
