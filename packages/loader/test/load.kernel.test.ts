import { describe, expect, test } from 'vitest';
import { createMap, openObject } from '../src/index.ts';
import { child, compile, failure, sh } from './support.ts';

const tap = compile('tap');
const refused = compile('refused');
const kernelTypes = compile('kernel_types');
const packet = new Uint8Array(64);

describe('loading', () => {
  test('applies constants, sizes and skipped programs, each time anew', async () => {
    using spec = openObject(tap);
    using one = await spec.load({
      constants: { step: 7n, offset: -9 },
      maxEntries: { small: 16 },
      skipPrograms: ['other'],
    });
    using two = await spec.load({ constants: { enabled: 0 } });
    expect(one.programs).toEqual(['first', 'second']);
    expect(one.map('small').maxEntries).toBe(16);
    expect(one.program('second').testRun(packet, { repeat: 3 })).toMatchObject({ retval: -9 });
    expect([...one.counters('packets')]).toEqual([0, 21, 0, 0]);
    expect(two.program('second').testRun(packet).retval).toBe(-5);
    expect([...two.counters('packets')]).toEqual([0, 0, 0, 0]);
    expect(await failure(() => one.program('other'))).toMatchObject({ code: 'RETINA_OBJECT_INVALID' });
  });

  test('tells what programs cost to keep and to verify', async () => {
    using spec = openObject(tap);
    using one = await spec.load();
    const { verified, id } = one.program('first');
    const tool = JSON.parse(sh(`bpftool -j prog show id ${id}`)) as { bytes_xlated: number; bytes_jited?: number };
    expect(verified.instructions).toBe(tool.bytes_xlated / 8);
    expect(verified.jitedBytes).toBe(tool.bytes_jited ?? 0);
    expect(verified.verifiedInstructions).toBeGreaterThanOrEqual(verified.instructions / 2);
  });

  test('lets objects share a map', async () => {
    using chain = createMap({ name: 'chain', type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 2 });
    using spec = openObject(tap);
    using head = await spec.load({ reuseMaps: { chain } });
    using behind = await spec.load({ reuseMaps: { chain } });
    chain.setProgram(0, behind.program('second'));
    expect(head.program('first').testRun(packet).retval).toBe(-5);
    chain.setProgram(0, undefined);
    expect(head.program('first').testRun(packet).retval).toBe(-1);
    expect([...head.counters('packets')]).toEqual([2, 0, 0, 0]);
    expect([...behind.counters('packets')]).toEqual([0, 1, 0, 0]);
  });

  test('refuses a shared map of another shape', async () => {
    using array = createMap({ name: 'array', type: 'array', keySize: 4, valueSize: 8, maxEntries: 2 });
    expect(await failure(() => openObject(tap).load({ reuseMaps: { chain: array } }))).toMatchObject({
      code: 'RETINA_OBJECT_INVALID',
      found: 'type 2, key 4, value 8 bytes',
      needed: 'type 3, key 4, value 4 bytes',
    });
  });

  test('that the verifier refuses carries the whole log, the last meaningful line first', async () => {
    const error = await failure(() => openObject(refused).load());
    expect(error.code).toBe('RETINA_VERIFIER_REJECTED');
    expect(error.message).toMatch(/^R\d offset is outside of the packet \(/);
    expect(error.message).toContain("program 'outside' of 'refused'");
    expect(error.detail).toMatch(/^(0: |func#0|reg type|;|R1)/m);
    expect(error.detail).toMatch(/processed \d+ insns/);
    using rest = await openObject(refused).load({ skipPrograms: ['outside'] });
    expect(rest.programs).toEqual(['fine']);
  });

  test('keeps the messages of loads at the same time apart', async () => {
    const loads = Array.from({ length: 12 }, (_, i) =>
      failure(() => openObject(i % 2 ? refused : tap).load(i % 2 ? {} : { maxEntries: { small: 0xffff_ffff } })),
    );
    const errors = await Promise.all(loads);
    for (const [i, error] of errors.entries()) {
      expect(error.code).toBe(i % 2 ? 'RETINA_VERIFIER_REJECTED' : 'RETINA_LOAD_FAILED');
      if (i % 2) expect(error.detail).not.toContain('small');
      else expect(error.message).toContain('small');
    }
  });
});

describe('rights and types', () => {
  const load = (object: string) =>
    `try { await loader.openObject(${JSON.stringify(object)}).load(); console.log('loaded'); } catch (e) { console.log(JSON.stringify({ code: e.code, message: e.message })); }`;

  test.each([
    ['all', ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'], ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN']],
    [
      'NET_ADMIN',
      ['setpriv', '--bounding-set=-net_admin,-sys_admin', '--inh-caps=-net_admin', '--'],
      ['CAP_NET_ADMIN'],
    ],
    ['PERFMON', ['setpriv', '--bounding-set=-perfmon,-sys_admin', '--inh-caps=-perfmon', '--'], ['CAP_PERFMON']],
  ])('without %s the missing capabilities are named', async (_, prefix, names) => {
    const { stdout } = await child(load(refused), { prefix });
    const error = JSON.parse(stdout) as { code: string; message: string };
    expect(error.code).toBe('RETINA_CAPABILITY_MISSING');
    for (const name of names) expect(error.message.split('found:')[0]).toContain(name);
  });

  test('three capabilities are enough', async () => {
    const caps = '+bpf,+perfmon,+net_admin';
    const prefix = ['setpriv', `--bounding-set=-all,${caps}`, `--inh-caps=-all,${caps}`, '--'];
    expect((await child(load(tap), { prefix })).stdout).toBe('loaded\n');
  });

  test('a kernel without type information is named as such', async () => {
    const hidden = [
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-ec',
      'mount -t tmpfs none /sys/kernel/btf; exec "$@"',
      'sh',
    ];
    const seen = await child(load(kernelTypes), { prefix: hidden });
    expect(JSON.parse(seen.stdout)).toMatchObject({ code: 'RETINA_BTF_MISSING' });
    const features = await child(
      'const k = loader.kernelFeatures(); console.log(k.btf, k.tcx, k.tracepointArguments("kfree_skb"), k.enumNames("skb_drop_reason").size)',
      { prefix: hidden },
    );
    expect(features.stdout).toMatch(/^false (true|false) -1 0\n$/);
    const replaced = await child(load(kernelTypes), { env: { RETINA_BTF_PATH: '/nonexistent' } });
    expect(JSON.parse(replaced.stdout)).toMatchObject({ code: 'RETINA_BTF_MISSING' });
    expect((await child(load(kernelTypes))).stdout).toBe('loaded\n');
  });
});
