import { onNode } from './cluster.ts';
import { run } from './run.ts';

/** BPF programs of this kernel that no process holds, directly or by a link: a pin or something attached holds them. */
export async function orphans(): Promise<readonly number[]> {
  const held = await run('bash', [
    '-c',
    "cat /proc/[0-9]*/fdinfo/* 2>/dev/null | sed -n 's/^prog_id:[[:space:]]*//p' || true",
  ]);
  const ids = new Set(held.split('\n').map(Number));
  const programs = JSON.parse(await run('bpftool', ['-j', 'prog', 'show'])) as { id: number }[];
  return programs.map(({ id }) => id).filter((id) => !ids.has(id));
}

/** Rules of a node that name Retina. */
export async function rules(node: string): Promise<readonly string[]> {
  const all = await onNode(node, 'iptables-save');
  return all.split('\n').filter((line) => line.startsWith('-A') && /retina/i.test(line));
}
