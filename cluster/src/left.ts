import { onNode } from './cluster.ts';
import { run } from './run.ts';

/**
 * BPF programs of this kernel that no process holds, directly or by a link, but a pin or something attached; without those
 * that were there `before`, which others may take away meanwhile.
 */
export async function orphans(before: readonly number[] = []): Promise<readonly number[]> {
  const held = await run('bash', [
    '-c',
    "cat /proc/[0-9]*/fdinfo/* 2>/dev/null | sed -n 's/^prog_id:[[:space:]]*//p' || true",
  ]);
  const ids = new Set(held.split('\n').map(Number));
  const programs = JSON.parse(await run('bpftool', ['-j', 'prog', 'show'])) as { id: number }[];
  return programs.map(({ id }) => id).filter((id) => !ids.has(id) && !before.includes(id));
}

/** Rules of a node that name Retina. */
export async function rules(node: string): Promise<readonly string[]> {
  const all = await onNode(node, 'iptables-save');
  return all.split('\n').filter((line) => line.startsWith('-A') && /retina/i.test(line));
}

/** Kernel settings, queueing disciplines, routes and interfaces of a node, without those of pods, and without what counts. */
export async function settings(node: string): Promise<readonly string[]> {
  const kernel = 'sysctl -a 2>/dev/null | grep "^net\\.\\(core\\|ipv4\\|ipv6\\|bridge\\|netfilter\\)\\."';
  const others = 'tc qdisc show; ip rule; ip route; ip -o link | cut -d " " -f 2';
  const all = (await onNode(node, 'sh', '-c', `${kernel}; ${others}`)).split('\n');
  const own = all.filter((line) => !/veth|nf_conntrack_count|random|flowlabel_reflect|mtu_expires/.test(line));
  // The bridge has no carrier while no pod is there.
  return own.map((line) => line.replace(/ linkdown\b/, '').trim()).sort();
}
