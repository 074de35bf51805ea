import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { inInitialNetns, kernelFeatures, kernelSymbol, readKernelSymbols } from '../src/index.ts';
import { child, sh } from './support.ts';

test('features are those of the running kernel', () => {
  const kernel = kernelFeatures();
  expect(kernel.release).toBe(readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
  expect(kernel.possibleCpus).toBeGreaterThanOrEqual(availableParallelism());
  expect(kernel.capabilities).toContain('NET_ADMIN');
  const btf = sh('bpftool btf dump file /sys/kernel/btf/vmlinux format raw');
  expect(kernel.btf).toBe(true);
  expect(kernel.tcx).toBe(btf.includes("'BPF_TCX_INGRESS'"));
  expect(kernel.ringBuffer).toBe(true);
  // The context comes first in the kernel's prototype and does not count.
  const typedef = /TYPEDEF 'btf_trace_kfree_skb' type_id=(\d+)/.exec(btf)![1];
  const pointer = new RegExp(`^\\[${typedef}\\] PTR .* type_id=(\\d+)`, 'm').exec(btf)![1];
  const parameters = new RegExp(`^\\[${pointer}\\] FUNC_PROTO .* vlen=(\\d+)`, 'm').exec(btf)![1];
  expect(kernel.tracepointArguments('kfree_skb')).toBe(Number(parameters) - 1);
  expect(kernel.tracepointArguments('no_such_tracepoint')).toBe(-1);
  const reasons = kernel.enumNames('skb_drop_reason');
  for (const [value, name] of reasons) expect(btf).toMatch(new RegExp(`'${name}' val=${value}\\b`));
  expect([...reasons.values()]).toContain('SKB_DROP_REASON_NO_SOCKET');
  expect(kernel.enumNames('no_such_enum').size).toBe(0);
});

test('the first network namespace knows itself, and others that they are not it', async () => {
  // Once as it is, once where /proc/sys is hidden.
  const both = `console.log(loader.inInitialNetns());
    (await import('node:child_process')).execFileSync('mount', ['-t', 'tmpfs', 'none', '/proc/sys']);
    console.log(loader.inInitialNetns());`;
  const hidden = await child(both, { prefix: ['unshare', '--mount', '--'] });
  const apart = await child(both, { prefix: ['unshare', '--mount', '--net', '--'] });
  expect([hidden.stdout, apart.stdout]).toEqual([`${inInitialNetns()}\n`.repeat(2), 'false\n'.repeat(2)]);
});

test('an address inside a function has the name of the function', async () => {
  expect(await readKernelSymbols()).toBe(true);
  const line = readFileSync('/proc/kallsyms', 'utf8')
    .split('\n')
    .find((symbol) => symbol.endsWith(' T consume_skb'))!;
  const start = BigInt(`0x${line.split(' ')[0]}`);
  expect(kernelSymbol(start)).toBe('consume_skb');
  expect(kernelSymbol(start + 9n)).toBe('consume_skb');
  expect(kernelSymbol(0x1000n)).toBeUndefined();
});

test('without CAP_SYSLOG there are no symbols, and that is no error', async () => {
  // still root, who may read a checkout below /root, but without any right of root's
  const prefix = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'];
  const script =
    'console.log(await loader.readKernelSymbols(), loader.kernelSymbol(0xffffffff81000100n), loader.kernelFeatures().btf);';
  expect((await child(script, { prefix })).stdout).toBe('false undefined true\n');
});
