import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileFolder } from './compile.ts';
import { BuildError } from './errors.ts';
import { describeObject } from './object.ts';

const SOURCE = `
#include <retina/stream.h>
struct place { rt_netns netns; rt_ifindex ifindex; };
struct event { rt_ktime at; struct place where; union rt_ip peer; rt_port port; __u8 state; bool late; __s32 code; };
struct key { __u64 id; };
struct value { rt_packets packets; __u32 pad; __u32 last; };
RT_CONFIG(__u32, limit, "Most events a second") = 0x1020;
RT_CONFIG(__u8, strict, "Whether \\"odd\\" packets count");
RT_STREAM(events, struct event, 4096);
RT_TABLE(per_id, struct key, struct value, 16);
SEC("socket") int program(struct __sk_buff *skb)
{
	struct key key = { .id = skb->len };
	struct value *value = RT_ENTRY(per_id, &key);
	struct event *event = RT_RESERVE(events);
	if (value && limit && strict)
		__sync_fetch_and_add(&value->packets, 1);
	if (event)
		RT_DISCARD(events, event);
	return 0;
}
char _license[] SEC("license") = "Dual MIT/GPL";
`;

describe('an object compiled from the headers', () => {
  let folder: string;
  let file: Uint8Array;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'retina-bpf-'));
    mkdirSync(join(folder, 'bpf'));
    writeFileSync(join(folder, 'bpf/sample.bpf.c'), SOURCE);
    const [compiled] = compileFolder({ folder, arch: 'x86' });
    file = readFileSync(compiled!.object);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('gives the layout of its streams, nested structures flattened and unions by their first member', () => {
    expect(describeObject(file).streams).toEqual([
      {
        name: 'events',
        stride: 40,
        fields: {
          at: { offset: 0, type: 'u64', size: 8, semantic: 'rt_ktime' },
          where_netns: { offset: 8, type: 'u32', size: 4, semantic: 'rt_netns' },
          where_ifindex: { offset: 12, type: 'u32', size: 4, semantic: 'rt_ifindex' },
          peer: { offset: 16, type: 'bytes', size: 16, semantic: 'rt_addr' },
          port: { offset: 32, type: 'u16', size: 2, semantic: 'rt_port' },
          state: { offset: 34, type: 'u8', size: 1 },
          late: { offset: 35, type: 'u8', size: 1 },
          code: { offset: 36, type: 's32', size: 4 },
        },
      },
    ]);
  });

  it('gives the layout of its tables, the value behind the key, padding left out', () => {
    const [table] = describeObject(file).tables;
    expect(table).toMatchObject({ name: 'per_id', stride: 24 });
    expect(Object.keys(table!.fields)).toEqual(['id', 'packets', 'last']);
    expect(table!.fields['last']).toEqual({ offset: 20, type: 'u32', size: 4 });
  });

  it('gives its constants with their values and meanings', () => {
    expect(describeObject(file).constants).toEqual([
      { name: 'limit', size: 4, value: 0x1020n, doc: 'Most events a second' },
      { name: 'strict', size: 1, value: 0n, doc: 'Whether "odd" packets count' },
    ]);
  });

  it('is not compiled again until a source or header changes', () => {
    const object = join(folder, 'dist/sample.bpf.o');
    const before = statSync(object).mtimeMs;
    expect(compileFolder({ folder, arch: 'x86' })[0]).toMatchObject({ changed: false });
    expect(statSync(object).mtimeMs).toBe(before);
    writeFileSync(join(folder, 'bpf/sample.bpf.c'), SOURCE.replace('4096', '8192'));
    expect(compileFolder({ folder, arch: 'x86' })[0]).toMatchObject({ changed: true });
    expect(compileFolder({ folder, arch: 'arm64' })[0]).toMatchObject({ changed: true });
  });

  it('knows in another checkout, where a build cache brought its stamp, what changed there', () => {
    const other = mkdtempSync(join(tmpdir(), 'retina-bpf-'));
    try {
      compileFolder({ folder, arch: 'x86' });
      cpSync(folder, other, { recursive: true });
      expect(compileFolder({ folder: other, arch: 'x86' })[0]).toMatchObject({ changed: false });
      writeFileSync(join(other, 'bpf/sample.bpf.c'), SOURCE.replace('4096', '16384'));
      expect(compileFolder({ folder: other, arch: 'x86' })[0]).toMatchObject({ changed: true });
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it('is gone once its source is called otherwise, and nothing of anybody else with it', () => {
    const other = mkdtempSync(join(tmpdir(), 'retina-bpf-'));
    try {
      cpSync(folder, other, { recursive: true });
      renameSync(join(other, 'bpf/sample.bpf.c'), join(other, 'bpf/renamed.bpf.c'));
      writeFileSync(join(other, 'dist/foreign.bpf.o'), 'made elsewhere');
      compileFolder({ folder: other, arch: 'x86' });
      expect(readdirSync(join(other, 'dist')).sort()).toEqual(['foreign.bpf.o', 'renamed.bpf.o', 'renamed.bpf.stamp']);
      expect(readdirSync(join(other, 'src'))).toEqual(['renamed.gen.ts']);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it('fails with its messages and leaves the earlier object alone when it does not compile', () => {
    const before = readFileSync(join(folder, 'dist/sample.bpf.o'));
    writeFileSync(
      join(folder, 'bpf/sample.bpf.c'),
      SOURCE.replace('struct key { __u64 id; };', 'struct key { __u32 id; };'),
    );
    expect(() => compileFolder({ folder, arch: 'x86' })).toThrow(/does not compile/);
    try {
      compileFolder({ folder, arch: 'x86' });
    } catch (error) {
      expect((error as BuildError).detail).toContain('the key is no multiple of 8 bytes');
    }
    expect(readFileSync(join(folder, 'dist/sample.bpf.o')).equals(before)).toBe(true);
  });

  it('is refused with a BuildError, whatever bytes are missing or wrong', () => {
    fc.assert(
      fc.property(
        fc.nat(file.length - 1),
        fc.nat(file.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (cut, at, change) => {
          const damaged = Uint8Array.from(file.subarray(0, file.length - (cut % 3 === 0 ? cut : 0)));
          if (at < damaged.length) damaged[at]! ^= change;
          try {
            describeObject(damaged);
          } catch (error) {
            if (!(error instanceof BuildError)) throw error;
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

it('names the packages when there is no compiler', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retina-bpf-'));
  mkdirSync(join(folder, 'bpf'));
  writeFileSync(join(folder, 'bpf/sample.bpf.c'), SOURCE);
  const before = process.env['CLANG'];
  process.env['CLANG'] = '/nonexistent/clang';
  try {
    expect(() => compileFolder({ folder, arch: 'x86' })).toThrow(
      /needed: clang 14 or newer; next: apt-get install -y clang/,
    );
  } finally {
    if (before === undefined) delete process.env['CLANG'];
    else process.env['CLANG'] = before;
    rmSync(folder, { recursive: true });
  }
});
