import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// Where C++ reads bytes that others wrote, libFuzzer looks for input that makes it crash, read beyond its memory or hang.
// RETINA_FUZZ_SECONDS: how long each target runs (`npm run fuzz`); a short run is part of every test run.
const seconds = Number(process.env['RETINA_FUZZ_SECONDS'] ?? 3);

const native = fileURLToPath(new URL('../native/', import.meta.url));
const headers = fileURLToPath(new URL('../../../bpf/include/', import.meta.url));
const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'retina', 'fuzz');
const crashes = join(process.env['RETINA_FUZZ_OUT'] ?? tmpdir(), 'retina-fuzz');

const FLAGS = [
  ...['-std=c++20', '-O1', '-g', '-fno-omit-frame-pointer', '-fno-strict-aliasing', '-D_GNU_SOURCE'],
  ...[
    '-fsanitize=fuzzer,address,undefined',
    '-fno-sanitize-recover=undefined',
    '-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION',
  ],
];

/** Sources by target, below native/; the last ones are what the linker is told. */
const TARGETS: Record<string, readonly string[]> = {
  netlink_answer: ['fuzz/netlink_answer.cpp', 'netlink_answer.cpp', 'netlink.cpp', 'failure.cpp'],
  network_record: [
    ...['fuzz/network_record.cpp', 'network_record.cpp', 'netlink_answer.cpp', 'netlink.cpp', 'namespaces.cpp'],
    ...['failure.cpp', 'capabilities.cpp'],
  ],
  btf_types: ['fuzz/btf_types.cpp', 'btf_types.cpp', '-lbpf', '-lelf', '-lz'],
  kernel_text: ['fuzz/kernel_text.cpp', 'load_failure.cpp', 'failure.cpp', 'capabilities.cpp'],
  flows: ['flows/test/hostile_test.cpp', ...'clock drain engine key output ring store table'.split(' ').map((name) => `flows/${name}.cpp`)], // prettier-ignore
};

/** The target's program, built unless one of the same sources is in the cache. */
function build(target: string): string {
  const parts = TARGETS[target]!;
  const sources = parts.filter((part) => !part.startsWith('-')).map((part) => join(native, part));
  // What the sources include: a change elsewhere builds nothing anew.
  const included =
    target === 'flows'
      ? globSync([join(native, 'flows/**/*.hpp'), join(headers, 'retina/{flow_ring,types,compat}.h')])
      : globSync([join(native, '*.hpp'), join(native, '{tc,kernel_symbols}.cpp')]);
  const hash = createHash('sha256').update(execFileSync('clang++', ['--version']));
  hash.update(FLAGS.join(' ')).update(parts.join(' '));
  for (const file of [...sources, ...included.sort()]) hash.update(readFileSync(file));
  const program = join(cache, 'bin', `${target}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(join(cache, 'bin'), { recursive: true });
  const root = process.env['RETINA_LIBBPF_ROOT'];
  const own = root ? ['-isystem', join(root, 'include'), '-isystem', join(root, 'usr/include'), `-L${root}/lib64`, `-L${root}/usr/lib64`] : []; // prettier-ignore
  const libraries = parts.filter((part) => part.startsWith('-'));
  const made = `${program}.${process.pid}`;
  const args = [...FLAGS, '-I', native, '-I', headers, ...own, ...sources, ...libraries, '-o', made];
  const { status, stderr } = spawnSync('clang++', args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  renameSync(made, program);
  return program;
}

test.each(Object.keys(TARGETS))('no input makes %s crash', { timeout: (seconds + 300) * 1000 }, (target) => {
  const program = build(target);
  const corpus = join(cache, 'corpus', target);
  const found = join(crashes, target);
  for (const dir of [corpus, found]) mkdirSync(dir, { recursive: true });
  const seeds = join(native, 'fuzz', 'corpus', target);
  const args = [
    ...[corpus, ...(existsSync(seeds) ? [seeds] : [])],
    ...[
      `-max_total_time=${seconds}`,
      `-artifact_prefix=${found}/`,
      '-timeout=10',
      '-rss_limit_mb=2048',
      '-max_len=8192',
    ],
    ...['-print_final_stats=1', '-verbosity=1'],
  ];
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 256 << 20 });
  expect(status, `${stderr.slice(-8000)}\nrun it again: ${program} FILE`).toBe(0);
  const [, runs] = /number_of_executed_units:\s+(\d+)/.exec(stderr)!;
  expect(Number(runs)).toBeGreaterThan(100);
  const [coverage] = /cov: \d+ ft: \d+/.exec(stderr.slice(stderr.lastIndexOf('cov: '))) ?? [''];
  if (process.env['RETINA_FUZZ_SECONDS']) process.stdout.write(`${target}: ${runs} runs, ${coverage}\n`);
});
