import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { chainFunctions } from './functions.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'retina-symbols-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it.each([
  ['nothing', '', []],
  ['nf_tables alone', '0000000000000000 t nft_do_chain\t[nf_tables]\n', ['nft_do_chain']],
  ['iptables alone', 'ffffffffc0a4 T ip6t_do_table\t[ip6_tables]\nffffffffc0a5 T ipt_do_table\t[ip_tables]\n', ['ipt_do_table', 'ip6t_do_table']],
  ['built in', 'ffffffff81a4 T ipt_do_table\nffffffff81a5 r ip6t_do_table\nffffffff81a6 t nft_do_chain_inet\n', ['ipt_do_table']],
  ['no symbols at all', '\0\xff nft_do_chain', []],
])('chains can be watched at what the kernel has: %s', async (_, text, expected) => {
  const file = join(folder, 'kallsyms');
  writeFileSync(file, text, 'latin1');
  expect(await chainFunctions(file)).toEqual(expected);
}); // prettier-ignore

it('all of them are tried where the kernel does not say', async () => {
  expect(await chainFunctions(join(folder, 'none'))).toEqual(['nft_do_chain', 'ipt_do_table', 'ip6t_do_table']);
});
