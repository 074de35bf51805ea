import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Timeout {
  readonly protocol: string;
  /** As the setting has it, in capitals; empty where the protocol has one for all. */
  readonly state: string;
  readonly seconds: number;
}

const SETTING = /^nf_conntrack_(tcp|udp|udplite|icmp|icmpv6|sctp|dccp|gre|generic)_timeout(?:_([a-z0-9_]+))?$/;
const MOST = 128;

/** How long silent entries live: the settings under /proc/sys/net/netfilter. What cannot be read is left out. */
export async function readTimeouts(folder = '/proc/sys/net/netfilter'): Promise<Timeout[]> {
  const found: Timeout[] = [];
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names) {
    const [, protocol, state = ''] = SETTING.exec(name) ?? [];
    if (!protocol || found.length >= MOST) continue;
    const text = await readFile(join(folder, name), 'latin1').catch(() => '');
    if (/^\d{1,10}\s*$/.test(text)) found.push({ protocol, state: state.toUpperCase(), seconds: Number(text) });
  }
  return found;
}
