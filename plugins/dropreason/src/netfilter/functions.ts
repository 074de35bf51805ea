import { readFile } from 'node:fs/promises';

/** Functions of the kernel that run a base chain of nf_tables, or a table of the older iptables, and the programs at them. */
export const CHAIN_PROGRAMS = {
  nft_do_chain: ['chain_entered', 'chain_left'],
  ipt_do_table: ['table_left'],
  ip6t_do_table: ['table6_left'],
} as const;

export type ChainFunction = keyof typeof CHAIN_PROGRAMS;

const NAMES = Object.keys(CHAIN_PROGRAMS) as ChainFunction[];

/** Those of them that the running kernel has, which depends on what modules are loaded; all where it does not say. */
export async function chainFunctions(symbols = '/proc/kallsyms'): Promise<ChainFunction[]> {
  let text: string;
  try {
    text = await readFile(symbols, 'latin1');
  } catch {
    return NAMES;
  }
  const found = new Set(Array.from(text.matchAll(/ [tT] (nft_do_chain|ip6?t_do_table)\s/g), ([, name]) => name));
  return NAMES.filter((name) => found.has(name));
}
